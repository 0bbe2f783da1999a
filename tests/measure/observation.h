/* Observations for the tests of vlbi and of all operators: stations, uv tracks, visibilities in a file of the test's folder;
 * the data term of an operator with errors of its own. */
#ifndef PNB_TESTS_MEASURE_OBSERVATION_H
#define PNB_TESTS_MEASURE_OBSERVATION_H

#include "measure/rig.h"

#include "device_and_folder.h"
#include "measure/residual.h"
#include "measure/vlbi.h"

#define PI 3.14159265358979323846

enum { STATIONS = 5, TIMES = 3, SIDE = 16 };
static const double FOV = 160; /* micro-arcseconds */

static unsigned long long seed_state = 11;
static inline double uniform(void) {
    return next_random(&seed_state) / 2147483648.0 - 0.5;
}

/* Stations at random places, uv tracks that turn with time, visibilities of `jy` (NULL: random ones). */
static inline void make(pnb_uvdata *d, const double *jy, double sigma) {
    pnb_error err = {0};
    double place[STATIONS][2];
    *d = (pnb_uvdata){.source = "TEST", .ra = NAN, .dec = NAN, .mjd = 57848, .frequency = 230e9};
    for (uint32_t s = 0; s < STATIONS; s++) {
        char name[4] = {'S', (char)('A' + s), 0};
        uint32_t index;
        TEST_OK(&err, pnb_uvdata_station(&err, d, name, &index));
        for (int e = 0; e < 2; e++) place[s][e] = 4e9 * uniform();
    }
    for (int t = 0; t < TIMES; t++) {
        for (uint32_t a = 0; a < STATIONS; a++) {
            for (uint32_t b = a + 1; b < STATIONS; b++) {
                double x = place[a][0] - place[b][0], y = place[a][1] - place[b][1], turn = 0.4 * t;
                pnb_uv_record r = {.hours = t, .seconds = 10, .station = {a, b}, .sigma = sigma};
                r.u = cos(turn) * x - sin(turn) * y;
                r.v = sin(turn) * x + cos(turn) * y;
                r.re = 0.7 + 0.3 * uniform();
                r.im = uniform();
                TEST_OK(&err, pnb_uvdata_add(&err, d, &r));
            }
        }
    }
    pnb_sky_grid grid = {SIDE, SIDE, FOV * PNB_RADIANS_OF_UAS / SIDE};
    if (jy) assert_true(pnb_sky_observe(&grid, jy, d));
    pnb_uvdata_group(d, 1);
}

static inline const char *write_data(const pnb_uvdata *d) {
    pnb_error err = {0};
    static char path[256];
    snprintf(path, sizeof path, "%s", in_folder("obs.csv"));
    TEST_OK(&err, pnb_uvdata_write(&err, path, d));
    return path;
}

/* |r|^2/2 of x on the device, its gradient, or both. */
static inline double data_term(void **state, pnb_operator *op, const float *x, const float *y, float *gradient) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    pnb_store *store;
    pnb_storage *xs, *ys;
    pnb_graph *g;
    pnb_program *program;
    pnb_tensor xt, yt, ax, r, back;
    pnb_shape image = rig_batch(1, pnb_operator_image_shape(op)), m = rig_batch(1, pnb_operator_measurement_shape(op));
    TEST_OK(err, pnb_store_create(err, "test", &store));
    TEST_OK(err, pnb_store_add(store, "x", image, PNB_STORAGE_VARIABLE, &xs));
    TEST_OK(err, pnb_store_add(store, "y", m, PNB_STORAGE_VARIABLE, &ys));
    TEST_OK(err, pnb_store_commit(store, gpu));
    TEST_OK(err, pnb_storage_write(xs, gpu, x, pnb_shape_count(image)));
    TEST_OK(err, pnb_storage_write(ys, gpu, y, pnb_shape_count(m)));
    TEST_OK(err, pnb_graph_create(err, gpu, "test", &g));
    TEST_OK(err, pnb_graph_bind(g, xs, &xt));
    TEST_OK(err, pnb_graph_bind(g, ys, &yt));
    TEST_OK(err, pnb_operator_apply(op, g, xt, &ax));
    TEST_OK(err, pnb_operator_residual(op, g, ax, yt, &r));
    TEST_OK(err, pnb_graph_grad(g, &r, &r, 1, &xt, 1, &back));
    TEST_OK(err, pnb_graph_output(g, r));
    TEST_OK(err, pnb_graph_output(g, back));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &program));
    TEST_OK(err, pnb_program_run(program));
    float *values = malloc(pnb_shape_count(m) * sizeof *values);
    assert_non_null(values);
    TEST_OK(err, pnb_program_read(program, r, values, pnb_shape_count(m)));
    if (gradient) TEST_OK(err, pnb_program_read(program, back, gradient, pnb_shape_count(image)));
    double loss = 0;
    for (uint64_t i = 0; i < pnb_shape_count(m); i++) loss += 0.5 * (double)values[i] * values[i];
    free(values);
    pnb_program_destroy(&program);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, gpu);
    return loss;
}

#endif
