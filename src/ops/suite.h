/* Op cases as data beside each op: one list, used by tests, `penumbra selftest` and `penumbra bench`.
 *
 * A case builds the op over inputs that the runner makes, and computes the same in fp64 on the host. The runner checks
 * forward (largest error over largest value) and every input gradient against finite differences of the fp64 reference.
 */
#ifndef PNB_OPS_SUITE_H
#define PNB_OPS_SUITE_H

#include "graph/graph.h"
#include "gpu/gpu.h"

enum { PNB_CASE_MAX_IN = 8 };

typedef struct pnb_op_case pnb_op_case;
struct pnb_op_case {
    const char *name;              /* "n2 c33 h7 w5 k3 s2" */
    uint32_t n_in;
    pnb_shape in[PNB_CASE_MAX_IN]; /* inputs: filled N(0,1)*scale[i]+shift[i] from a fixed seed */
    float scale[PNB_CASE_MAX_IN], shift[PNB_CASE_MAX_IN]; /* scale 0 means 1 */
    uint32_t no_grad;              /* bit i: no gradient check for input i (indices, non-differentiable) */
    int32_t arg[12];               /* the case's own integers (stride, groups, ...) */
    float farg[4];
    bool bench;                    /* a row of `penumbra bench`; too large for finite differences: those are skipped, the gradient
                                      is then compared with `reference_grad` if there is one */
    bool timed_only;               /* with bench: too large for the fp64 reference as well, so no test runs it */
    float forward_tolerance;       /* 0: 1e-5 of the largest value */
    float gradient_tolerance;      /* 0: 1e-4 */
};

typedef struct pnb_op_suite {
    const char *op; /* the stem */
    const pnb_op_case *cases;
    size_t count;
    pnb_status (*build)(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out);
    /* out has the elements of the op's output; in[i] the inputs. fp64. */
    void (*reference)(const pnb_op_case *c, const double *const *in, double *out);
    double (*flops)(const pnb_op_case *c); /* of one forward; may be NULL */
    uint32_t parameters; /* bit i: input i is a network's parameter; the lowest is the weight of bench's weight rows */
} pnb_op_suite;

/* All suites, in a fixed order (suite.c lists them). */
const pnb_op_suite *const *pnb_op_suites(size_t *count);

typedef struct pnb_case_result {
    const char *op, *name;
    double forward_error, gradient_error; /* relative to the largest value; gradient_error -1: not checked */
    bool passed;
    char why[256];
} pnb_case_result;

/* Runs one case. PNB_OK also when the comparison fails (see result->passed); an error only when it could not be run. */
pnb_status pnb_op_case_run(pnb_gpu *gpu, pnb_error *err, const pnb_op_suite *suite, const pnb_op_case *c, pnb_case_result *result);

/* Makes the kernels of one case, forward and backward (of bench cases too), without memory on the device: for devices that
 * only compile. half: those of a frozen network that stores as 16-bit floats; its parameters have no gradients then. */
pnb_status pnb_op_case_compile(pnb_gpu *gpu, pnb_error *err, const pnb_op_suite *suite, const pnb_op_case *c, bool half);

#endif
