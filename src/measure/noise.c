/* A measurement simulated on the device: one small graph, run once. */
#include "measure/noise.h"

#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>

typedef struct simulation {
    pnb_store *store;
    pnb_storage *x, *errors; /* errors: of each entry, where the operator knows them; else NULL */
    pnb_graph *graph;
    pnb_program *program;
    pnb_tensor y;
} simulation;

static pnb_shape batch_of_one(pnb_shape s) {
    return s.rank == 1 ? pnb_shape2(1, s.d[0]) : pnb_shape4(1, s.d[0], s.d[1], s.d[2]);
}

static pnb_status build(pnb_error *err, pnb_gpu *gpu, simulation *s, pnb_operator *op, double sigma, uint64_t seed,
                        uint32_t stream) {
    PNB_TRY(pnb_store_create(err, "simulate", &s->store));
    PNB_TRY(pnb_store_add(s->store, "truth", batch_of_one(pnb_operator_image_shape(op)), PNB_STORAGE_VARIABLE, &s->x));
    if (pnb_operator_weights(op)) {
        pnb_shape y = batch_of_one(pnb_operator_measurement_shape(op));
        PNB_TRY(pnb_store_add(s->store, "errors", y, PNB_STORAGE_VARIABLE, &s->errors));
    }
    PNB_TRY(pnb_graph_create(err, gpu, "simulate", &s->graph));
    pnb_tensor x, clean, noise;
    PNB_TRY(pnb_graph_bind(s->graph, s->x, &x));
    PNB_TRY(pnb_operator_apply(op, s->graph, x, &clean));
    PNB_TRY(pnb_noise_normal(s->graph, pnb_graph_shape(s->graph, clean), seed, stream, PNB_NONE, 0, &noise));
    if (s->errors) {
        pnb_tensor errors, unit = noise;
        PNB_TRY(pnb_graph_bind(s->graph, s->errors, &errors));
        PNB_TRY(pnb_mul(s->graph, unit, errors, &noise));
    }
    PNB_TRY(pnb_axpby(s->graph, 1, PNB_NONE, clean, (float)sigma, PNB_NONE, noise, &s->y));
    return pnb_graph_output(s->graph, s->y);
}

static pnb_status write_errors(pnb_error *err, simulation *s, pnb_gpu *gpu, const pnb_operator *op) {
    uint64_t count = pnb_shape_count(pnb_operator_measurement_shape(op));
    const float *weights = pnb_operator_weights(op);
    if (!s->errors) return PNB_OK;
    float *errors = malloc(count * sizeof *errors);
    if (!errors) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "simulate: no host memory");
    for (uint64_t i = 0; i < count; i++) errors[i] = 1 / fabsf(weights[i]);
    pnb_status status = pnb_storage_write(s->errors, gpu, errors, count);
    free(errors);
    return status;
}

static pnb_status run(pnb_error *err, simulation *s, pnb_gpu *gpu, const pnb_operator *op, const float *truth,
                      const pnb_photons *photons, uint64_t seed, uint32_t stream, float *y) {
    uint64_t count = pnb_shape_count(pnb_operator_measurement_shape(op));
    PNB_TRY(pnb_store_commit(s->store, gpu));
    PNB_TRY(pnb_storage_write(s->x, gpu, truth, pnb_shape_count(pnb_operator_image_shape(op))));
    PNB_TRY(write_errors(err, s, gpu, op));
    PNB_TRY(pnb_program_create(s->graph, gpu, NULL, &s->program));
    PNB_TRY(pnb_program_run(s->program));
    PNB_TRY(pnb_program_read(s->program, s->y, y, count));
    if (photons) pnb_photons_draw(photons, seed, stream, count, y);
    const float *measured = pnb_operator_measured(op);
    for (uint64_t i = 0; measured && i < count; i++) {
        if (measured[i] == 0) y[i] = 0;
    }
    return PNB_OK;
}

pnb_status pnb_measure_simulate(pnb_error *err, pnb_gpu *gpu, pnb_operator *op, const float *truth, double sigma,
                                const pnb_photons *photons, uint64_t seed, uint32_t stream, float *y) {
    if (!isfinite(sigma) || sigma < 0) {
        return pnb_fail(err, PNB_ERROR_INPUT, "simulate: sigma must be zero or more, found %g", sigma);
    }
    if (photons && !(photons->gain > 0)) photons = NULL;
    simulation s = {0};
    pnb_status status = build(err, gpu, &s, op, photons ? 0 : sigma, seed, stream);
    if (status == PNB_OK) status = run(err, &s, gpu, op, truth, photons, seed, stream, y);
    pnb_program_destroy(&s.program);
    pnb_graph_destroy(&s.graph);
    pnb_store_destroy(&s.store, gpu);
    return status;
}
