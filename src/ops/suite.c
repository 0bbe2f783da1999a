/* Runs op cases: forward against the fp64 reference, gradients against central differences of that reference. */
#include "ops/suite.h"

#include "base/philox.h"
#include "graph/op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUITE(name) extern const pnb_op_suite pnb_suite_##name;
#include "ops/suite_list.h"
#undef SUITE

const pnb_op_suite *const *pnb_op_suites(size_t *count) {
    static const pnb_op_suite *const suites[] = {
#define SUITE(name) &pnb_suite_##name,
#include "ops/suite_list.h"
#undef SUITE
    };
    *count = sizeof suites / sizeof suites[0];
    return suites;
}

enum { SEED = 20260, ALL_ELEMENTS = 96, SOME_ELEMENTS = 64, DIRECTIONS = 4, STREAM_COTANGENT = 100, STREAM_PICK = 200 };
static const double difference_step = 1e-5;

/* Everything that a running case owns; all of it may be absent. */
typedef struct run {
    pnb_gpu *gpu;
    pnb_error *err;
    const pnb_op_suite *suite;
    const pnb_op_case *c;
    pnb_case_result *result;
    bool half; /* parameters are frozen, and stored as 16-bit floats where ops can read that */
    pnb_store *store;
    pnb_graph *graph;
    pnb_program *program;
    pnb_storage *in_storage[PNB_CASE_MAX_IN], *cotangent_storage;
    pnb_tensor in[PNB_CASE_MAX_IN], out, grad[PNB_CASE_MAX_IN];
    float *in_values[PNB_CASE_MAX_IN];  /* as uploaded */
    double *in_exact[PNB_CASE_MAX_IN];  /* the same in fp64; perturbed and restored by the differences */
    uint64_t count;                     /* elements of the output */
    double *reference, *cotangent, *scratch;
    float *values, *cotangent_values;   /* as read from the device, as uploaded */
    float *grad_values;
} run;

static void release(run *r) {
    pnb_program_destroy(&r->program);
    pnb_graph_destroy(&r->graph);
    pnb_store_destroy(&r->store, r->gpu);
    for (int i = 0; i < PNB_CASE_MAX_IN; i++) {
        free(r->in_values[i]);
        free(r->in_exact[i]);
    }
    free(r->reference);
    free(r->cotangent);
    free(r->scratch);
    free(r->values);
    free(r->cotangent_values);
    free(r->grad_values);
}

static void *allocate(run *r, uint64_t count, size_t size) {
    void *p = calloc(count ? (size_t)count : 1, size);
    if (!p) pnb_fail(r->err, PNB_ERROR_OUT_OF_MEMORY, "%s: no memory for a case of %llu elements", r->suite->op, (unsigned long long)count);
    return p;
}

/* ---- set-up ----------------------------------------------------------------------------------------------------- */

static pnb_status make_inputs(run *r) {
    const pnb_op_case *c = r->c;
    for (uint32_t i = 0; i < c->n_in; i++) {
        uint64_t count = pnb_shape_count(c->in[i]);
        r->in_values[i] = allocate(r, count, sizeof(float));
        r->in_exact[i] = allocate(r, count, sizeof(double));
        if (!r->in_values[i] || !r->in_exact[i]) return r->err->status;
        float scale = c->scale[i] != 0 ? c->scale[i] : 1;
        pnb_fill_normal(SEED, i, 0, 0, r->in_values[i], (size_t)count);
        for (uint64_t k = 0; k < count; k++) {
            r->in_values[i][k] = r->in_values[i][k] * scale + c->shift[i];
            r->in_exact[i][k] = (double)r->in_values[i][k];
        }
    }
    return PNB_OK;
}

/* Bit i: input i has no gradient. */
static uint32_t constant_inputs(const run *r) { return (r->c->no_grad | (r->half ? r->suite->parameters : 0)) & ((1u << r->c->n_in) - 1); }
static bool has_gradient(const run *r) { return constant_inputs(r) != (1u << r->c->n_in) - 1; }
static bool differentiates(const run *r) { return !r->c->bench && has_gradient(r); }

static pnb_status make_cotangent(run *r) {
    r->cotangent_values = allocate(r, r->count, sizeof(float));
    r->cotangent = allocate(r, r->count, sizeof(double));
    if (!r->cotangent_values || !r->cotangent) return r->err->status;
    pnb_fill_normal(SEED, STREAM_COTANGENT, 0, 0, r->cotangent_values, (size_t)r->count);
    for (uint64_t k = 0; k < r->count; k++) r->cotangent[k] = (double)r->cotangent_values[k];
    return pnb_storage_write(r->cotangent_storage, r->gpu, r->cotangent_values, r->count);
}

static pnb_status build_gradients(run *r) {
    pnb_shape shape = pnb_graph_shape(r->graph, r->out);
    PNB_TRY(pnb_store_add(r->store, "cotangent", shape, PNB_STORAGE_VARIABLE, &r->cotangent_storage));
    pnb_tensor g;
    PNB_TRY(pnb_graph_bind(r->graph, r->cotangent_storage, &g));
    pnb_tensor wrt[PNB_CASE_MAX_IN], grad[PNB_CASE_MAX_IN];
    uint32_t at[PNB_CASE_MAX_IN], n = 0;
    for (uint32_t i = 0; i < r->c->n_in; i++) {
        if (constant_inputs(r) & 1u << i) continue;
        at[n] = i;
        wrt[n++] = r->in[i];
    }
    PNB_TRY(pnb_graph_grad(r->graph, &r->out, &g, 1, wrt, n, grad));
    for (uint32_t i = 0; i < n; i++) {
        r->grad[at[i]] = grad[i];
        if (grad[i] != PNB_NONE) PNB_TRY(pnb_graph_output(r->graph, grad[i]));
    }
    return PNB_OK;
}

/* The graph of the case over storages that have no memory yet. */
static pnb_status build_graph(run *r, bool gradients) {
    PNB_TRY(pnb_store_create(r->err, "case", &r->store));
    PNB_TRY(pnb_graph_create(r->err, r->gpu, r->suite->op, &r->graph));
    pnb_graph_narrow(r->graph, r->half);
    for (uint32_t i = 0; i < r->c->n_in; i++) {
        char name[16];
        snprintf(name, sizeof name, "in%u", i);
        bool frozen = r->half && r->suite->parameters & 1u << i;
        PNB_TRY(pnb_store_add(r->store, name, r->c->in[i], frozen ? PNB_STORAGE_FROZEN : PNB_STORAGE_VARIABLE, &r->in_storage[i]));
        PNB_TRY(pnb_graph_bind(r->graph, r->in_storage[i], &r->in[i]));
    }
    PNB_TRY(r->suite->build(r->graph, r->c, r->in, &r->out));
    r->count = pnb_shape_count(pnb_graph_shape(r->graph, r->out));
    PNB_TRY(pnb_graph_output(r->graph, r->out));
    return gradients ? build_gradients(r) : PNB_OK;
}

static pnb_status make_program(run *r) {
    PNB_TRY(build_graph(r, differentiates(r)));
    PNB_TRY(make_inputs(r));
    PNB_TRY(pnb_store_commit(r->store, r->gpu));
    for (uint32_t i = 0; i < r->c->n_in; i++) {
        PNB_TRY(pnb_storage_write(r->in_storage[i], r->gpu, r->in_values[i], pnb_shape_count(r->c->in[i])));
    }
    if (r->cotangent_storage) PNB_TRY(make_cotangent(r));
    PNB_TRY(pnb_program_create(r->graph, r->gpu, NULL, &r->program));
    return pnb_program_run(r->program);
}

/* ---- comparison ------------------------------------------------------------------------------------------------- */

static void fail_case(run *r, const char *what, double error, double tolerance) {
    if (!r->result->passed) return;
    r->result->passed = false;
    snprintf(r->result->why, sizeof r->result->why, "%s: error %.3g of the largest value, at most %.3g allowed", what, error, tolerance);
}

static pnb_status check_forward(run *r) {
    r->values = allocate(r, r->count, sizeof(float));
    r->reference = allocate(r, r->count, sizeof(double));
    if (!r->values || !r->reference) return r->err->status;
    r->suite->reference(r->c, (const double *const *)r->in_exact, r->reference);
    PNB_TRY(pnb_program_read(r->program, r->out, r->values, r->count));
    double largest = 0, error = 0;
    for (uint64_t k = 0; k < r->count; k++) {
        double e = fabs((double)r->values[k] - r->reference[k]);
        if (!(e <= error)) error = isfinite(e) ? e : INFINITY;
        if (fabs(r->reference[k]) > largest) largest = fabs(r->reference[k]);
    }
    double tolerance = r->c->forward_tolerance > 0 ? (double)r->c->forward_tolerance : 1e-5;
    r->result->forward_error = largest > 0 ? error / largest : error;
    if (!(r->result->forward_error <= tolerance)) fail_case(r, "forward", r->result->forward_error, tolerance);
    return PNB_OK;
}

/* sum(out * cotangent) of the reference at the present in_exact */
static double objective(run *r) {
    double sum = 0;
    r->suite->reference(r->c, (const double *const *)r->in_exact, r->scratch);
    for (uint64_t k = 0; k < r->count; k++) sum += r->scratch[k] * r->cotangent[k];
    return sum;
}

static void restore(run *r, uint32_t input) {
    for (uint64_t k = 0; k < pnb_shape_count(r->c->in[input]); k++) r->in_exact[input][k] = (double)r->in_values[input][k];
}

/* Central difference along element `at` of an input, or along a direction if direction is not NULL. */
static double difference(run *r, uint32_t input, uint64_t at, const float *direction, double step) {
    double side[2];
    for (int s = 0; s < 2; s++) {
        double h = s ? step : -step;
        if (direction) {
            for (uint64_t k = 0; k < pnb_shape_count(r->c->in[input]); k++) r->in_exact[input][k] += h * (double)direction[k];
        } else {
            r->in_exact[input][at] += h;
        }
        side[s] = objective(r);
        if (direction) restore(r, input);
        else r->in_exact[input][at] = (double)r->in_values[input][at];
    }
    return (side[1] - side[0]) / (2 * step);
}

/* Largest error of the elements that are checked; *largest grows with the values seen. */
static double compare_elements(run *r, uint32_t input, double step, double *largest) {
    uint64_t count = pnb_shape_count(r->c->in[input]);
    uint64_t checks = count <= ALL_ELEMENTS ? count : SOME_ELEMENTS;
    double error = 0;
    for (uint64_t k = 0; k < checks; k++) {
        uint64_t at = k;
        if (checks < count) {
            float u;
            pnb_fill_uniform(SEED, STREAM_PICK + input, 0, k, &u, 1);
            at = (uint64_t)((double)u * (double)count);
        }
        double wanted = difference(r, input, at, NULL, step), e = fabs(wanted - (double)r->grad_values[at]);
        if (fabs(wanted) > *largest) *largest = fabs(wanted);
        if (!(e <= error)) error = isfinite(e) ? e : INFINITY;
    }
    return error;
}

/* The same along random directions of unit length, where elements were only sampled. */
static pnb_status compare_directions(run *r, uint32_t input, double step, double *error) {
    uint64_t count = pnb_shape_count(r->c->in[input]);
    if (count <= ALL_ELEMENTS) return PNB_OK;
    float *direction = allocate(r, count, sizeof *direction);
    if (!direction) return r->err->status;
    for (uint32_t i = 0; i < DIRECTIONS; i++) {
        double length = 0, found = 0;
        pnb_fill_normal(SEED, STREAM_PICK + input, 1 + i, 0, direction, (size_t)count);
        for (uint64_t k = 0; k < count; k++) length += (double)direction[k] * (double)direction[k];
        for (uint64_t k = 0; k < count; k++) direction[k] /= (float)sqrt(length);
        for (uint64_t k = 0; k < count; k++) found += (double)direction[k] * (double)r->grad_values[k];
        double e = fabs(difference(r, input, 0, direction, step) - found);
        if (!(e <= *error)) *error = isfinite(e) ? e : INFINITY;
    }
    free(direction);
    return PNB_OK;
}

static pnb_status check_gradient(run *r, uint32_t input) {
    uint64_t count = pnb_shape_count(r->c->in[input]);
    free(r->grad_values);
    r->grad_values = allocate(r, count, sizeof(float)); /* zeros: what an absent gradient means */
    if (!r->grad_values) return r->err->status;
    if (r->grad[input] != PNB_NONE) PNB_TRY(pnb_program_read(r->program, r->grad[input], r->grad_values, count));
    double step = difference_step * (r->c->scale[input] != 0 ? (double)fabsf(r->c->scale[input]) : 1);
    double largest = 0;
    for (uint64_t k = 0; k < count; k++) {
        if ((double)fabsf(r->grad_values[k]) > largest) largest = (double)fabsf(r->grad_values[k]);
    }
    double error = compare_elements(r, input, step, &largest);
    PNB_TRY(compare_directions(r, input, step, &error));
    double relative = largest > 0 ? error / largest : error;
    double tolerance = r->c->gradient_tolerance > 0 ? (double)r->c->gradient_tolerance : 1e-4;
    if (!(relative <= r->result->gradient_error)) r->result->gradient_error = relative;
    if (!(relative <= tolerance)) {
        char what[32];
        snprintf(what, sizeof what, "gradient of input %u", input);
        fail_case(r, what, relative, tolerance);
    }
    return PNB_OK;
}

static pnb_status check_gradients(run *r) {
    if (!differentiates(r)) return PNB_OK;
    r->scratch = allocate(r, r->count, sizeof(double));
    if (!r->scratch) return r->err->status;
    r->result->gradient_error = 0;
    for (uint32_t i = 0; i < r->c->n_in; i++) {
        if (!(r->c->no_grad & 1u << i)) PNB_TRY(check_gradient(r, i));
    }
    return PNB_OK;
}

pnb_status pnb_op_case_run(pnb_gpu *gpu, pnb_error *err, const pnb_op_suite *suite, const pnb_op_case *c, pnb_case_result *result) {
    *result = (pnb_case_result){.op = suite->op, .name = c->name, .gradient_error = -1, .passed = true};
    run r = {.gpu = gpu, .err = err, .suite = suite, .c = c, .result = result};
    for (int i = 0; i < PNB_CASE_MAX_IN; i++) r.grad[i] = PNB_NONE;
    pnb_status status = make_program(&r);
    if (status == PNB_OK) status = check_forward(&r);
    if (status == PNB_OK) status = check_gradients(&r);
    if (status != PNB_OK) {
        result->passed = false;
        snprintf(result->why, sizeof result->why, "%.250s", err ? err->message : "could not be run");
        pnb_error_prefix(err, "%s, case '%s': ", suite->op, c->name);
    }
    release(&r);
    return status;
}

pnb_status pnb_op_case_compile(pnb_gpu *gpu, pnb_error *err, const pnb_op_suite *suite, const pnb_op_case *c, bool half) {
    run r = {.gpu = gpu, .err = err, .suite = suite, .c = c, .half = half};
    pnb_status status = build_graph(&r, has_gradient(&r));
    if (status == PNB_OK) status = pnb_program_compile(r.graph, gpu);
    if (status != PNB_OK) pnb_error_prefix(err, "%s, case '%s': ", suite->op, c->name);
    release(&r);
    return status;
}
