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

#endif
