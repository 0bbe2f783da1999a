/* Fourier sums of an image at any (u, v) without a matrix: the image, divided by the window's transform, on a grid
 * twice as wide; an FFT; and at each (u, v) the sum of the 6 x 6 grid points around it with a Kaiser-Bessel window
 * (Fessler and Sutton 2003, the window's width after Beatty et al. 2005). Agrees with the dense sum to about 1e-5 of
 * the largest value. */
#ifndef PNB_MEASURE_NUFFT_H
#define PNB_MEASURE_NUFFT_H

#include "measure/operator.h"
#include "measure/vlbi.h"

typedef struct pnb_nufft {
    uint32_t spread, gather; /* the first constants of two sparse matrices */
    uint32_t height, width;  /* of the grid */
    uint32_t pixels, count;  /* of the image; visibilities */
} pnb_nufft;

/* For `count` points uv, in wavelengths. */
pnb_status pnb_nufft_add(pnb_operator *op, const pnb_sky_grid *grid, uint32_t count, const double (*uv)[2],
                         pnb_nufft *out);
/* pixels [N, H*W] -> v [N, 2 count], real parts before imaginary ones, as the rows of pnb_sky_row have it; and its
 * adjoint. */
pnb_status pnb_nufft_apply(pnb_operator *op, pnb_graph *g, const pnb_nufft *t, pnb_tensor pixels, pnb_tensor *v);
pnb_status pnb_nufft_adjoint(pnb_operator *op, pnb_graph *g, const pnb_nufft *t, pnb_tensor v, pnb_tensor *pixels);

#endif
