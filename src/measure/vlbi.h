/* What the operator vlbi read, and the Fourier sums behind it in double precision on the host: for simulations,
 * pictures of the data and tests. Geometry (algorithms.md 4.8): rows go from north to south, columns from east to west;
 * pixel (r, c) lies at l_c = ((W-1)/2 - c) p and m_r = ((H-1)/2 - r) p, and is a pyramid of this height and of the
 * width 2p (triangle pulse). */
#ifndef PNB_MEASURE_VLBI_H
#define PNB_MEASURE_VLBI_H

#include "io/uvdata.h"
#include "measure/closures.h"
#include "measure/operator.h"

#define PNB_RADIANS_OF_UAS 4.848136811095359935899141e-12

typedef struct pnb_vlbi {
    pnb_uvdata data; /* as selected and averaged */
    pnb_closures closures;
    double pixel;            /* radians */
    double flux;             /* Jy to which images are scaled; 0: they are not */
    double peak;             /* Jy of a pixel of value 1 (where flux is 0) */
    bool jy;                 /* pixels are Jy as they are; else [-1,1] is 0 to the peak */
    struct pnb_nufft *nufft; /* nufft.h; NULL: a dense matrix */
    uint32_t matrix, pick;   /* which constants of the operator: the matrix, the sparse sums */
} pnb_vlbi;

/* NULL unless the operator, or the last part of a composition, is of type vlbi. Borrowed. */
const pnb_vlbi *pnb_vlbi_of(const pnb_operator *op);
/* Jy in each of n pixels of one image, as the operator sees them. x and jy may not be one array. */
void pnb_vlbi_brightness(const pnb_vlbi *v, size_t n, const float *x, double *jy);
void pnb_vlbi_destroy(pnb_vlbi **v);

/* A plane of pixels on the sky. */
typedef struct pnb_sky_grid {
    uint32_t height, width;
    double pixel; /* radians */
} pnb_sky_grid;

/* P(u), the transform of a triangle of base 2 pixels and unit area. */
double pnb_sky_pulse(double u, double pixel);
/* exp(2 pi i (u l + v m)) P(u) P(v) of every pixel: re and im [height*width]. */
void pnb_sky_row(const pnb_sky_grid *grid, double u, double v, double *re, double *im);
/* Visibilities of an image in Jy, into re and im of every record; without noise. false: no host memory. */
bool pnb_sky_observe(const pnb_sky_grid *grid, const double *jy, pnb_uvdata *d);

/* Dirty image and dirty beam [height*width] with weights 1/sigma^2: sums of w Re(V exp(-2 pi i (u l + v m))) over sums
 * of w, in Jy/beam; the beam (V = 1) is 1 at its peak. false: no host memory. */
bool pnb_sky_dirty(const pnb_sky_grid *grid, const pnb_uvdata *d, double *image, double *beam);

/* The Gaussian that falls from its peak as the dirty beam does: full widths at half maximum in radians, the larger
 * one's angle in degrees east of north. false: the baselines lie in one line. */
typedef struct pnb_sky_beam {
    double major, minor, angle;
} pnb_sky_beam;
bool pnb_sky_restoring_beam(const pnb_uvdata *d, pnb_sky_beam *out);

#endif
