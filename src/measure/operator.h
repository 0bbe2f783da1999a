/* Forward operators: y = A(x) + n, from named type and arguments to graph nodes.
 *
 * One file an operator, one constant pnb_operator_type with its typed table of arguments. Linear operators give apply, adjoint
 * and, where it exists, a pseudo-inverse; all are graph nodes over batches, so they are differentiable and run in shaders.
 */
#ifndef PNB_MEASURE_OPERATOR_H
#define PNB_MEASURE_OPERATOR_H

#include "base/options.h"
#include "graph/graph.h"

typedef struct pnb_operator pnb_operator;
struct cJSON; /* arguments come as the JSON object of the problem */

/* type: one of pnb_operator_docs: "identity", "mask_box", "mask", "average_pool", "gaussian_blur" ... args: the JSON object of the problem
 * (key "type" ignored) or NULL; image: [C,H,W] or [D], without the batch; base_dir: folder for relative paths in args. Unknown type or
 * argument, impossible size: PNB_ERROR_INPUT. */
pnb_status pnb_operator_create(pnb_error *err, const char *type, const struct cJSON *args, pnb_shape image,
                               const char *base_dir, pnb_operator **out);
void pnb_operator_destroy(pnb_operator **op, pnb_gpu *gpu);
pnb_status pnb_operator_commit(pnb_operator *op, pnb_gpu *gpu); /* masks, kernels, matrices to the device */
/* Whether commit will try it out and find its norm (shaders of the user's own): then commit before the norm is asked for. */
bool pnb_operator_unproven(const pnb_operator *op);
uint64_t pnb_operator_hash(const pnb_operator *op);             /* of its type and these */
uint64_t pnb_operator_bytes(const pnb_operator *op);            /* what these take on the device */

const char *pnb_operator_name(const pnb_operator *op);
pnb_shape pnb_operator_image_shape(const pnb_operator *op);
pnb_shape pnb_operator_measurement_shape(const pnb_operator *op); /* without the batch */
bool pnb_operator_linear(const pnb_operator *op);
bool pnb_operator_has_pinv(const pnb_operator *op);
/* How many entries of y carry information: kept pixels of a mask, otherwise all. */
uint64_t pnb_operator_measured_count(const pnb_operator *op);
/* 1 where an entry of y is measured, else 0 (masks); NULL: all are. Borrowed; elements of the measurement shape. */
const float *pnb_operator_measured(const pnb_operator *op);
double
pnb_operator_norm(const pnb_operator *op); /* an upper bound of the spectral norm ||A||, of its residual's where entries have weights */

/* Where entries of y have errors of their own: [m] floats 1/sigma_i, negative where the entry is an angle in radians, of which
 * whole turns do not matter. The problem's sigma then multiplies them all. NULL: the problem's sigma is that of every entry.
 * Borrowed. residual.h makes use of it. */
const float *pnb_operator_weights(const pnb_operator *op);
/* How much of the image's uncertainty reaches each entry of y: [m] floats d_i such that norm^2 diag(d) - J J^T is nowhere
 * negative, J the derivative of the whitened residual. Where the image is known to rho in each pixel, an entry's variance of
 * sigma^2 (1 + (norm rho/sigma)^2 d_i) takes no combination of entries for better known than it is; with the norm alone
 * (d = 1) entries that see little of the image lose what they know. NULL: 1 for all. Borrowed. */
const float *pnb_operator_spreads(const pnb_operator *op);
pnb_status pnb_operator_bind_spreads(const pnb_operator *op, pnb_graph *g, pnb_tensor *out); /* where there are any: [m] */
/* The measurement that came with the operator's file (a telescope's visibilities); NULL: none. Borrowed. */
const float *pnb_operator_given(const pnb_operator *op);
/* The kinds of data that y holds one behind the other, for reports; *count 0: one kind. Borrowed. */
typedef struct pnb_operator_term {
    const char *name; /* "closure_phase"; static */
    uint32_t begin, count;
    double factor; /* of its chi-square in the data term: the weights contain its root */
} pnb_operator_term;
const pnb_operator_term *pnb_operator_terms(const pnb_operator *op, size_t *count);
/* Resolved arguments with all defaults, "type" included, for run.json. The caller deletes it with cJSON_Delete. */
struct cJSON *pnb_operator_args(const pnb_operator *op);

/* Batched graph nodes: x [N, image...], y [N, measurement...]. */
pnb_status pnb_operator_apply(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y);
pnb_status pnb_operator_adjoint(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x);
pnb_status pnb_operator_pinv(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x);
/* Where particles start: what the operator itself says, else the pseudo-inverse where there is one, the parts' starts of a composition,
 * else y itself if it is an image of the same shape, else A^T y. */
pnb_status pnb_operator_initial(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x);

/* ---- spectrum.c: A = U S V^T, where U and V are cheap: masks, pools, small matrices. The methods that work coefficient by coefficient
 * need it. */

/* The singular values: `count` of them, or count 1 where all that is measured have the same; 0 entries belong to nothing.
 * NULL: not known. Borrowed. */
const float *pnb_operator_spectrum(const pnb_operator *op, uint32_t *count);
/* V^T x, U^T y and V c, for x [N, image...], y [N, measurement...] and c as the first two give it. */
pnb_status pnb_operator_to_right(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *c);
pnb_status pnb_operator_to_left(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *c);
pnb_status pnb_operator_from_right(pnb_operator *op, pnb_graph *g, pnb_tensor c, pnb_tensor *x);

/* An argument that is no number or word: a path, an array, a list. */
typedef struct pnb_operator_key {
    const char *name, *help;
    bool optional; /* else it must be given */
} pnb_operator_key;

/* All operator types, for help and docs. */
typedef struct pnb_operator_doc {
    const char *type, *summary;
    pnb_option_table table;
    const pnb_operator_key *keys; /* beside the table; NULL where n_keys is 0 */
    size_t n_keys;
} pnb_operator_doc;
const pnb_operator_doc *const *pnb_operator_docs(size_t *count);

#endif
