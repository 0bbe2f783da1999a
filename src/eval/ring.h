/* What is measured of the image of a black hole: the ring, and likeness to a truth that survives shifts and a beam.
 *
 * Images are in any unit of brightness, [h,w], rows from north to south, columns from east to west. */
#ifndef PNB_EVAL_RING_H
#define PNB_EVAL_RING_H

#include "base/status.h"

#include <stdbool.h>

/* A ring, as EHT Collaboration 2019 (ApJL 875 L4, section 9) measures it: rays from a centre, the brightest point of
 * each; the centre is where these points' distances scatter least for their mean. In units of the pixel's side. */
typedef struct pnb_ring {
    double diameter;    /* twice the mean distance of the brightest points */
    double scatter;     /* standard deviation of that distance over the rays, times two */
    double width;       /* mean full width at half maximum of the rays */
    double orientation; /* degrees east of north of the brighter side, in [0, 360) */
    double asymmetry;   /* |sum of I exp(i angle)| / sum of I along the ring: 0 even, 1 a point */
    double contrast;    /* mean brightness at the centre over that of the ring */
    double east, north; /* the centre, from the image's */
} pnb_ring;

/* image [h,w], largest value above 0. false: no host memory, or an image that is dark all over. */
bool pnb_ring_measure(uint32_t h, uint32_t w, const double *image, double pixel, pnb_ring *out);

/* Mean and standard deviation (ddof 1) of angles in degrees, about their mean direction; mean in [0, 360). */
void pnb_angle_moments(uint32_t n, const double *degrees, double *mean, double *std);

/* Gaussian of standard deviation sigma pixels, cut at 4 sigma; edges are mirrored, the edge pixel repeated. false: no
 * memory. */
bool pnb_sky_blur(uint32_t h, uint32_t w, const double *image, double sigma, double *out);

/* The largest PSNR of image against truth, both [h,w] in [0,1], over 30 x 30 shifts of the image by up to a quarter of
 * its side each way (bilinear, zeros come in), after both were blurred by sigma pixels (0: not). InverseBench's score.
 */
pnb_status pnb_psnr_aligned(pnb_error *err, uint32_t h, uint32_t w, const double *image, const double *truth,
                            double sigma, double *psnr);

/* The same of the normalised cross-correlation, 1 for images that are alike but for a factor and a constant: so it serves
 * for dirty images, too (EHT Collaboration 2019, ApJL 875, L4, section 5). Flat images: 0. */
pnb_status pnb_nxcorr_aligned(pnb_error *err, uint32_t h, uint32_t w, const double *image, const double *truth, double sigma,
                              double *nxcorr);

#endif
