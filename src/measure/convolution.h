/* Images filtered by a kernel of any shape, with any border: what the operators that convolve share. Their options begin with a
 * pnb_convolution, so that these functions serve as theirs. */
#ifndef PNB_MEASURE_CONVOLUTION_H
#define PNB_MEASURE_CONVOLUTION_H

#include "measure/operator_type.h"
#include "ops/ops.h"

typedef struct pnb_convolution {
    int32_t boundary;          /* options: PNB_BORDER_*, and what is said in the table */
    double regularisation;
    uint32_t reach[2];         /* rows and columns that the kernel reaches to either side */
    uint32_t taps;             /* entries that are not zero */
    uint32_t torus[2];         /* rows and columns of the transform; 0: tap by tap */
} pnb_convolution;

/* Rows of the operators' tables. */
#define PNB_CONVOLUTION_OPTIONS                                                                                        \
    {"boundary", PNB_OPTION_CHOICE, offsetof(pnb_convolution, boundary), PNB_BORDER_REFLECT, PNB_BORDER_REFLECT,       \
     PNB_BORDER_ZERO, pnb_border_names, "",                                                                            \
     "what lies beyond the edge: the image mirrored (edge not repeated), the image again, or zero"},                   \
    {"regularisation", PNB_OPTION_REAL, offsetof(pnb_convolution, regularisation), 0, 0, 1, NULL, "",                  \
     "of the inverse, which circular images have: 0: the pseudo-inverse (singular values from 1e-6 on), else Wiener's " \
     "inverse with this ratio of the variances of noise and image"}

/* kernel: [rows, columns], both odd, the centre in the middle; its entries need not be positive. Scaled to sum 1. With flip it is
 * convolved (true convolution), else correlated: y[i] = sum_k w[k] x[i + k]. Sets constants and norm of op, whose measurement stays
 * its image; with a circular border also its spectrum, else it has no inverse. A kernel that is too large, of sum 0 or not finite:
 * PNB_ERROR_INPUT; `what` names it in sentences. */
pnb_status pnb_convolution_create(pnb_operator *op, bool flip, const pnb_array *kernel, const char *what);
/* Reads a kernel: .npy [rows, columns] or a picture (grey), with leading dimensions of 1. For pnb_array_free. */
pnb_status pnb_convolution_read(pnb_operator *op, const char *path, pnb_array *kernel);

pnb_status pnb_convolution_apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y);
pnb_status pnb_convolution_adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x);
pnb_status pnb_convolution_pinv(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x);
pnb_status pnb_convolution_to_right(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *c);
pnb_status pnb_convolution_to_left(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *c);
/* Where particles start: a blurred picture is a picture, and its pseudo-inverse mostly noise. */
pnb_status pnb_convolution_initial(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x);

/* The functions of an operator type that convolves. */
#define PNB_CONVOLUTION_FUNCTIONS                                                                                      \
    .linear = true, .apply = pnb_convolution_apply, .adjoint = pnb_convolution_adjoint, .pinv = pnb_convolution_pinv,  \
    .to_right = pnb_convolution_to_right, .to_left = pnb_convolution_to_left, .from_right = pnb_convolution_to_right,  \
    .initial = pnb_convolution_initial

#endif
