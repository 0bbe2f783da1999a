/* What the tests of operators share: make one, run one direction on the device, compare with fp64, check what all must hold. */
#ifndef PNB_TESTS_MEASURE_RIG_H
#define PNB_TESTS_MEASURE_RIG_H

#include "device.h"
#include "measure/operator.h"
#include "ops/ops.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

typedef enum direction { APPLY, ADJOINT, PINV, INITIAL, GRADIENT } direction;

/* Any pnb_status and its sentence; json may be NULL. */
static inline pnb_status rig_try(pnb_error *err, const char *type, const char *json, pnb_shape image, pnb_operator **op) {
    cJSON *args = json ? cJSON_Parse(json) : NULL;
    assert_true(!json || args);
    pnb_status status = pnb_operator_create(err, type, args, image, NULL, op);
    cJSON_Delete(args);
    return status;
}

static inline pnb_operator *rig_make(void **state, const char *type, const char *json, pnb_shape image) {
    pnb_operator *op;
    TEST_OK(test_err(state), rig_try(test_err(state), type, json, image, &op));
    TEST_OK(test_err(state), pnb_operator_commit(op, test_gpu(state)));
    return op;
}

static inline void rig_refuse(const char *type, const char *json, pnb_shape image, const char *part) {
    pnb_error err = {0};
    pnb_operator *op = NULL;
    pnb_status status = rig_try(&err, type, json, image, &op);
    if (status != PNB_ERROR_INPUT || op || !strstr(err.message, part)) {
        fail_msg("%s %s: expected a sentence with \"%s\", found %d: %s", type, json ? json : "", part, (int)status, err.message);
    }
}

static inline pnb_shape rig_batch(uint32_t n, pnb_shape s) {
    return s.rank == 1 ? pnb_shape2(n, s.d[0]) : pnb_shape4(n, s.d[0], s.d[1], s.d[2]);
}

static inline float *rig_random(uint64_t n, unsigned seed) {
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    uint64_t s = seed * 2862933555777941757u + 3037000493u;
    for (uint64_t i = 0; i < n; i++) {
        double sum = 0; /* of 6 uniform numbers: near enough to normal */
        for (int k = 0; k < 6; k++) {
            s = s * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(s >> 40) / 16777216.0 - 0.5;
        }
        x[i] = (float)(sum * 1.4142);
    }
    return x;
}

static inline double rig_dot(uint64_t n, const float *a, const float *b) {
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum;
}

/* The direction's nodes over storage tensors x and u; GRADIENT: of sum(A(x) * u) with respect to x. */
static inline pnb_status rig_build(pnb_operator *op, direction d, pnb_graph *g, pnb_storage *in, pnb_storage *cotangent,
                                   pnb_tensor *out) {
    pnb_tensor x, y, u;
    PNB_TRY(pnb_graph_bind(g, in, &x));
    if (d == APPLY) {
        PNB_TRY(pnb_operator_apply(op, g, x, out));
    } else if (d == ADJOINT) {
        PNB_TRY(pnb_operator_adjoint(op, g, x, out));
    } else if (d == PINV) {
        PNB_TRY(pnb_operator_pinv(op, g, x, out));
    } else if (d == INITIAL) {
        PNB_TRY(pnb_operator_initial(op, g, x, out));
    } else {
        PNB_TRY(pnb_graph_bind(g, cotangent, &u));
        PNB_TRY(pnb_operator_apply(op, g, x, &y));
        PNB_TRY(pnb_graph_grad(g, &y, &u, 1, &x, 1, out));
    }
    return pnb_graph_output(g, *out);
}

/* in: a batch of n of the direction's input (GRADIENT: the cotangent; at: the images, NULL: zeros); result malloc'd. */
static inline float *rig_run_at(void **state, pnb_operator *op, direction d, uint32_t n, const float *in, const float *at) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    pnb_shape image = rig_batch(n, pnb_operator_image_shape(op)), y = rig_batch(n, pnb_operator_measurement_shape(op));
    bool to_y = d == APPLY;
    pnb_store *store;
    pnb_storage *x, *u;
    pnb_graph *g;
    pnb_program *program;
    pnb_tensor out;
    TEST_OK(err, pnb_store_create(err, "test", &store));
    TEST_OK(err, pnb_store_add(store, "in", to_y || d == GRADIENT ? image : y, PNB_STORAGE_VARIABLE, &x));
    TEST_OK(err, pnb_store_add(store, "cotangent", y, PNB_STORAGE_VARIABLE, &u));
    TEST_OK(err, pnb_store_commit(store, gpu));
    pnb_storage *target = d == GRADIENT ? u : x;
    TEST_OK(err, pnb_storage_write(target, gpu, in, pnb_shape_count(pnb_storage_shape(target))));
    if (at) TEST_OK(err, pnb_storage_write(x, gpu, at, pnb_shape_count(image)));
    TEST_OK(err, pnb_graph_create(err, gpu, "test", &g));
    TEST_OK(err, rig_build(op, d, g, x, u, &out));
    assert_true(pnb_shape_equal(pnb_graph_shape(g, out), to_y ? y : image));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &program));
    TEST_OK(err, pnb_program_run(program));
    uint64_t count = pnb_shape_count(pnb_graph_shape(g, out));
    float *result = malloc(count * sizeof *result);
    assert_non_null(result);
    TEST_OK(err, pnb_program_read(program, out, result, count));
    pnb_program_destroy(&program);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, gpu);
    return result;
}

static inline float *rig_run(void **state, pnb_operator *op, direction d, uint32_t n, const float *in) {
    return rig_run_at(state, op, d, n, in, NULL);
}

/* The kernel of a blur: its answer to a point in the middle of side x side pixels. To be freed. */
static inline float *rig_answer(void **state, const char *type, const char *json, int side) {
    pnb_operator *op = rig_make(state, type, json, pnb_shape3(1, (uint32_t)side, (uint32_t)side));
    float *x = calloc((size_t)side * (size_t)side, sizeof *x);
    assert_non_null(x);
    x[side / 2 * side + side / 2] = 1;
    float *y = rig_run(state, op, APPLY, 1, x);
    free(x);
    pnb_operator_destroy(&op, test_gpu(state));
    return y;
}

static inline void rig_near(uint64_t n, const float *got, const double *want, double tolerance, const char *what) {
    double top = 1e-30, worst = 0;
    for (uint64_t i = 0; i < n; i++) {
        top = fmax(top, fabs(want[i]));
        worst = fmax(worst, isfinite(got[i]) ? fabs(got[i] - want[i]) : INFINITY);
    }
    if (!(worst <= tolerance * top)) fail_msg("%s: error %g of the largest value, allowed %g", what, worst / top, tolerance);
}

/* y = A(x) of one image, in double. */
typedef void (*rig_reference)(const pnb_operator *op, const double *x, double *y);

enum { RIG_BATCH = 3 };

/* What every linear operator must hold, for a batch: A x and A^T u as numbers on the device, all in one program. */
typedef struct rig_images {
    float *x, *u, *ax, *au, *gradient; /* gradient: of sum(A(x) * u) with respect to x */
    float *back, *again;               /* A+ A x and A A+ A x; NULL without a pseudo-inverse */
} rig_images;

static inline float *rig_read(void **state, pnb_program *program, pnb_tensor t, uint64_t count) {
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    TEST_OK(test_err(state), pnb_program_read(program, t, values, count));
    return values;
}

static inline void rig_run_all(void **state, pnb_operator *op, rig_images *r) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    pnb_shape image = rig_batch(RIG_BATCH, pnb_operator_image_shape(op)), y = rig_batch(RIG_BATCH, pnb_operator_measurement_shape(op));
    uint64_t nx = pnb_shape_count(image), ny = pnb_shape_count(y);
    bool pinv = pnb_operator_has_pinv(op);
    pnb_store *store;
    pnb_storage *in[2];
    pnb_graph *g;
    pnb_program *program;
    pnb_tensor x, u, out[5];
    *r = (rig_images){.x = rig_random(nx, 1), .u = rig_random(ny, 2)};
    TEST_OK(err, pnb_store_create(err, "test", &store));
    TEST_OK(err, pnb_store_add(store, "x", image, PNB_STORAGE_VARIABLE, &in[0]));
    TEST_OK(err, pnb_store_add(store, "u", y, PNB_STORAGE_VARIABLE, &in[1]));
    TEST_OK(err, pnb_store_commit(store, gpu));
    TEST_OK(err, pnb_storage_write(in[0], gpu, r->x, nx));
    TEST_OK(err, pnb_storage_write(in[1], gpu, r->u, ny));
    TEST_OK(err, pnb_graph_create(err, gpu, "test", &g));
    TEST_OK(err, pnb_graph_bind(g, in[0], &x));
    TEST_OK(err, pnb_graph_bind(g, in[1], &u));
    TEST_OK(err, pnb_operator_apply(op, g, x, &out[0]));
    TEST_OK(err, pnb_operator_adjoint(op, g, u, &out[1]));
    TEST_OK(err, pnb_graph_grad(g, &out[0], &u, 1, &x, 1, &out[2]));
    if (pinv) TEST_OK(err, pnb_operator_pinv(op, g, out[0], &out[3]));
    if (pinv) TEST_OK(err, pnb_operator_apply(op, g, out[3], &out[4]));
    for (int i = 0; i < (pinv ? 5 : 3); i++) {
        assert_true(pnb_shape_equal(pnb_graph_shape(g, out[i]), i == 0 || i == 4 ? y : image));
        TEST_OK(err, pnb_copy(g, out[i], &out[i])); /* identity gives its input, which is no output */
        TEST_OK(err, pnb_graph_output(g, out[i]));
    }
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &program));
    TEST_OK(err, pnb_program_run(program));
    r->ax = rig_read(state, program, out[0], ny);
    r->au = rig_read(state, program, out[1], nx);
    r->gradient = rig_read(state, program, out[2], nx);
    if (pinv) r->back = rig_read(state, program, out[3], nx);
    if (pinv) r->again = rig_read(state, program, out[4], ny);
    pnb_program_destroy(&program);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, gpu);
}

static inline void rig_free(rig_images *r) {
    float *all[] = {r->x, r->u, r->ax, r->au, r->gradient, r->back, r->again};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* a is b, to a tolerance of b's largest value. */
static inline void rig_same(uint64_t n, const float *a, const float *b, double tolerance, const char *what) {
    double *want = malloc(n * sizeof *want);
    assert_non_null(want);
    for (uint64_t i = 0; i < n; i++) want[i] = b[i];
    rig_near(n, a, want, tolerance, what);
    free(want);
}

/* <A x, u> = <x, A^T u>, the derivative is the adjoint, A A+ A = A where it is exact, and the norm is a bound (of the residual's
 * where entries have weights, which is another operator's: not checked then). */
static inline void rig_laws(const pnb_operator *op, const rig_images *r, double tolerance, bool exact) {
    uint64_t nx = pnb_shape_count(pnb_operator_image_shape(op)), ny = pnb_shape_count(pnb_operator_measurement_shape(op));
    double norm = pnb_operator_norm(op) * (1 + 1e-6);
    for (uint32_t s = 0; s < RIG_BATCH; s++) {
        const float *x = r->x + s * nx, *u = r->u + s * ny, *ax = r->ax + s * ny, *au = r->au + s * nx;
        double left = rig_dot(ny, ax, u), right = rig_dot(nx, x, au), scale = sqrt(rig_dot(ny, ax, ax) * rig_dot(ny, u, u));
        assert_true(scale > 0);
        if (!(fabs(left - right) <= tolerance * scale)) {
            fail_msg("<Ax,u> = %.9g, <x,A^T u> = %.9g: off by %g of |Ax||u|", left, right, fabs(left - right) / scale);
        }
        if (pnb_operator_weights(op)) continue;
        assert_true(sqrt(rig_dot(ny, ax, ax)) <= norm * sqrt(rig_dot(nx, x, x)));
        assert_true(sqrt(rig_dot(nx, au, au)) <= norm * sqrt(rig_dot(ny, u, u)));
    }
    rig_same(RIG_BATCH * nx, r->gradient, r->au, tolerance, "the derivative of a linear map is its adjoint");
    if (r->again && exact) rig_same(RIG_BATCH * ny, r->again, r->ax, 1e-5, "A A+ A = A");
}

/* Those laws, and the values of A x. */
static inline void rig_check(void **state, pnb_operator *op, rig_reference reference) {
    uint64_t nx = pnb_shape_count(pnb_operator_image_shape(op)), ny = pnb_shape_count(pnb_operator_measurement_shape(op));
    double *wide = malloc(nx * sizeof *wide), *want = malloc(ny * sizeof *want);
    rig_images r;
    assert_true(wide && want);
    rig_run_all(state, op, &r);
    for (uint32_t s = 0; s < RIG_BATCH; s++) {
        for (uint64_t i = 0; i < nx; i++) wide[i] = r.x[s * nx + i];
        reference(op, wide, want);
        rig_near(ny, r.ax + s * ny, want, 1e-5, "apply");
    }
    rig_laws(op, &r, 1e-6, true);
    rig_free(&r);
    free(wide);
    free(want);
}

#endif
