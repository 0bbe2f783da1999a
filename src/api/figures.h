/* How samples become pictures: shared by the figures of one output folder and those of several. */
#ifndef PNB_API_FIGURES_H
#define PNB_API_FIGURES_H

#include "api/handles.h"
#include "io/figure.h"

/* Grey or RGB as it is; of any other number of channels the first. data [C,H,W] is borrowed. */
pnb_picture pnb_picture_of(const float *data, pnb_shape image);
/* Measurements of images lie about [-1,1]; others (spectra, intensities) are shown in their own range. */
pnb_picture pnb_picture_of_measurement(const float *y, pnb_shape shape);
/* The first two components of samples [k,dim] into xy [k,2]; of one component: it, and the index of the sample. */
void pnb_plane_points(uint32_t k, uint32_t dim, const float *samples, float *xy);

#endif
