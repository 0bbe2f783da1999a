/* What an interferometer's problem adds to the output folder: FITS images, pictures of the data, residuals, the ring.
 */
#ifndef PNB_API_SKY_H
#define PNB_API_SKY_H

#include "api/outcome.h"

/* mean.fits, std.fits, samples.fits in Jy/pixel, dirty.fits and beam.fits in Jy/beam (a build without cfitsio leaves
 * these out), dirty.png, uv.png, residuals.csv. Nothing where the operator is not of type vlbi. */
pnb_status pnb_sky_write(pnb_run *run, const pnb_outcome *outcome, const char *folder);
/* "observation" (what was read, and what was left out of it), "ring" (each quantity's samples, mean, standard
 * deviation), and scores that align the images where a truth is known. Nothing where the operator is not of type vlbi.
 */
pnb_status pnb_sky_json(pnb_run *run, const pnb_outcome *outcome, cJSON *json, cJSON *scores);

/* Images of the sky, in values of [-1,1]: `count` samples, their mean, and the truth. */
typedef struct pnb_sky_images {
    uint32_t height, width, count;
    double pixel_uas;
    const float *samples, *mean, *truth;
    const double *dirty; /* the dirty image, any unit; NULL: not scored */
} pnb_sky_images;
/* Adds PSNR of [0,1] over the best of 30 x 30 shifts, of images as they are and blurred to 10, 15 and 20 microarcseconds:
 * "psnr_aligned_best" of the samples, "psnr_aligned_mean" of the mean, and so on; normalised cross-correlations at 20; and
 * "coverage_2sigma_support", how often the truth lies within two standard deviations where it is above a tenth of its peak. */
pnb_status pnb_sky_likeness(pnb_error *err, const pnb_sky_images *images, cJSON *scores);
/* Adds max(chi2, 1/chi2) of each kind of data in run.json's "chi2_terms", 1 at best: "chi2_closure_phase_best" of the
 * samples, "chi2_closure_phase_samples" their mean. chi2_terms may be NULL. */
void pnb_sky_agreement(const cJSON *chi2_terms, cJSON *scores);

#endif
