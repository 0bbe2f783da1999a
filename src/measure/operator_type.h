/* What an operator is inside: one constant pnb_operator_type, in the file that carries its name, and the state of one instance. */
#ifndef PNB_MEASURE_OPERATOR_TYPE_H
#define PNB_MEASURE_OPERATOR_TYPE_H

#include "io/array.h"
#include "measure/operator.h"

enum { PNB_OPERATOR_MAX_CONSTANTS = 16, PNB_OPERATOR_MAX_TERMS = 8 };

typedef struct pnb_operator_type {
    pnb_operator_doc doc;
    bool linear;
    /* Options are filled in and in range, keys are present. Checks them against op->image and fills the rest of op. */
    pnb_status (*create)(pnb_operator *op, const struct cJSON *args, const char *base_dir);
    /* After the constants are on the device; NULL: nothing more. */
    pnb_status (*commit)(pnb_operator *op, pnb_gpu *gpu);
    /* Graph nodes; the shape of the input has been checked. pinv may be NULL. */
    pnb_status (*apply)(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *y);
    pnb_status (*adjoint)(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x);
    pnb_status (*pinv)(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x);
    /* Where particles start; NULL: as pnb_operator_initial says. */
    pnb_status (*initial)(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *x);
    /* V^T x, U^T y, V c (pnb_operator_spectrum); NULL: either all singular values are equal, or they are not known. */
    pnb_status (*to_right)(pnb_operator *op, pnb_graph *g, pnb_tensor x, pnb_tensor *c);
    pnb_status (*to_left)(pnb_operator *op, pnb_graph *g, pnb_tensor y, pnb_tensor *c);
    pnb_status (*from_right)(pnb_operator *op, pnb_graph *g, pnb_tensor c, pnb_tensor *x);
} pnb_operator_type;

struct pnb_operator {
    const pnb_operator_type *type;
    pnb_error *err;
    pnb_shape image, measurement;
    void *options;            /* the struct of type->doc.table */
    struct cJSON *keys;       /* resolved values of type->doc.keys, for run.json; an object */
    bool linear;              /* as the type says, unless create withdraws it */
    bool has_pinv;            /* as type->pinv says, unless create withdraws it */
    double norm;              /* upper bound of the spectral norm */
    float singular;           /* A A^T is its square times the identity, where measured; 0: A A^T is no such thing */
    const float *spectrum;    /* one of the constants' values, with the type's to_right and so on; NULL: unknown, or singular says it */
    uint32_t spectrum_count;
    const float *measured;    /* NULL: everything; else one of the constants' values */
    uint64_t measured_count;
    int32_t weights;          /* which constant: pnb_operator_weights; -1: none */
    int32_t spreads;          /* which constant: pnb_operator_spreads; -1: none */
    int32_t start;            /* which constant: an image [1,D] that particles start from; -1: none */
    float *given;             /* owned: a measurement that came with the operator's file; NULL: none */
    pnb_operator_term terms[PNB_OPERATOR_MAX_TERMS];
    uint32_t n_terms;
    struct pnb_custom *custom; /* owned: of the type custom (custom.c); NULL: of another */
    bool unproven;            /* commit has something to find out: pnb_operator_unproven */
    struct pnb_vlbi *vlbi;    /* owned: what the type vlbi read (vlbi.h); NULL: of another type */
    pnb_store *store;         /* NULL without constants */
    struct {
        pnb_storage *storage;
        float *values;        /* owned */
    } constants[PNB_OPERATOR_MAX_CONSTANTS];
    uint32_t n_constants;
    pnb_operator **parts;     /* owned; of a composition: in the order of application */
    uint32_t n_parts;
};

extern const pnb_operator_type pnb_operator_identity, pnb_operator_mask_box, pnb_operator_mask, pnb_operator_average_pool,
    pnb_operator_bicubic, pnb_operator_compose, pnb_operator_custom, pnb_operator_fourier_mask, pnb_operator_gaussian_blur,
    pnb_operator_mask_random, pnb_operator_matrix, pnb_operator_motion_blur, pnb_operator_phase_retrieval, pnb_operator_psf,
    pnb_operator_vlbi;

struct pnb_custom_callback;
/* Fills an operator of type custom from an application's functions (custom.h). */
pnb_status pnb_custom_from_functions(pnb_operator *op, const struct pnb_custom_callback *callback);

/* The operator that makes the measurement: the last part of a composition, else itself. */
const pnb_operator *pnb_operator_last(const pnb_operator *op);
/* A frozen tensor of the operator, uploaded by pnb_operator_commit. Takes values (malloc'd), also on failure. */
pnb_status pnb_operator_add_constant(pnb_operator *op, const char *name, pnb_shape shape, float *values);
/* The same with a copy in float of values, which stay the caller's. */
pnb_status pnb_operator_add_narrowed(pnb_operator *op, const char *name, pnb_shape shape, const double *values);
/* The i-th constant as a tensor of g. */
pnb_status pnb_operator_bind(pnb_operator *op, pnb_graph *g, uint32_t i, pnb_tensor *out);
/* Fails unless images are [C,H,W]. */
pnb_status pnb_operator_need_image(const pnb_operator *op);
/* The path under `key` (relative ones from base_dir), noted for run.json; for the caller to free. NULL where it is not given. */
pnb_status pnb_operator_path(pnb_operator *op, const struct cJSON *args, const char *key, const char *base_dir, char **path);
/* Numbers from an .npy as they are, or from a picture as grey values in [0,1] ([1,H,W]); for pnb_array_free. */
pnb_status pnb_operator_read(pnb_operator *op, const char *path, pnb_array *out);

#endif
