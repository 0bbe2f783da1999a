/* vlbi: visibilities and closure quantities against sums in double, golden test 8, closures in minimal sets, refusals,
 * and the published operator's numbers where the shared fixtures are. The observations are made here. */
#include "measure/observation.h"

#include "fixtures/shared.h"
#include "measure/residual.h"

/* An operator over what `make` wrote; more: further arguments, beginning with a comma, or "". */
static pnb_operator *operator_of(void **state, const char *path, const char *data, const char *more) {
    char json[600];
    snprintf(json, sizeof json, "{\"file\": \"%s\", \"fov_uas\": %g, \"data\": %s%s}", path, FOV, data, more);
    return rig_make(state, "vlbi", json, pnb_shape3(1, SIDE, SIDE));
}

/* Pixels of a blob off the centre, peak 1. */
static void blob(double *image) {
    for (int i = 0; i < SIDE * SIDE; i++) {
        double x = i % SIDE - 6.0, y = i / SIDE - 9.0;
        image[i] = exp(-(x * x + 0.5 * y * y) / 8) + 0.2 * exp(-((x - 5) * (x - 5) + y * y) / 3);
    }
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* algorithms.md 4.8, as it stands. */
static void direct(const double *jy, double u, double v, double *re, double *im) {
    double p = FOV * PNB_RADIANS_OF_UAS / SIDE, half = 0.5 * FOV * PNB_RADIANS_OF_UAS - 0.5 * p;
    double su = sin(PI * u * p) / (PI * u * p), sv = sin(PI * v * p) / (PI * v * p), pulse = su * su * sv * sv;
    *re = *im = 0;
    for (int r = 0; r < SIDE; r++) {
        for (int c = 0; c < SIDE; c++) {
            double phase = 2 * PI * (u * (half - c * p) + v * (half - r * p));
            *re += pulse * jy[r * SIDE + c] * cos(phase);
            *im += pulse * jy[r * SIDE + c] * sin(phase);
        }
    }
}

static void test_visibilities(void **state) {
    double image[SIDE * SIDE];
    float x[2 * SIDE * SIDE];
    pnb_uvdata d;
    blob(image);
    for (int i = 0; i < 2 * SIDE * SIDE; i++) x[i] = (float)(i < SIDE * SIDE ? 2 * image[i] - 1 : 0.1 * sin(i));
    make(&d, NULL, 0.01);
    pnb_operator *op = operator_of(state, write_data(&d), "\"visibility\"", ", \"peak_jy\": 0.03");
    assert_false(pnb_operator_linear(op)); /* [-1,1] is an offset away */
    assert_int_equal(pnb_operator_measurement_shape(op).d[0], 2 * d.count);
    float *y = rig_run(state, op, APPLY, 2, x);
    double jy[SIDE * SIDE], worst = 0, top = 0;
    for (int n = 0; n < 2; n++) {
        for (int i = 0; i < SIDE * SIDE; i++) jy[i] = 0.03 * 0.5 * (x[n * SIDE * SIDE + i] + 1.0);
        for (uint32_t k = 0; k < d.count; k++) {
            double re, im;
            direct(jy, d.records[k].u, d.records[k].v, &re, &im);
            worst = fmax(worst, hypot(y[2 * (n * d.count + k)] - re, y[2 * (n * d.count + k) + 1] - im));
            top = fmax(top, hypot(re, im));
        }
    }
    print_message("visibilities: largest error %.2g of the largest\n", worst / top);
    assert_true(worst <= 1e-5 * top);
    free(y);
    pnb_operator_destroy(&op, test_gpu(state));
    pnb_uvdata_free(&d);
    remove(in_folder("obs.csv"));
}

static void test_linear_in_jy(void **state) {
    pnb_uvdata d;
    make(&d, NULL, 1);
    pnb_operator *op = operator_of(state, write_data(&d), "[\"visibility\", \"flux\"]",
                                   ", \"pixels\": \"jy\", \"flux_error\": 1, \"flux_jy\": 1");
    assert_true(pnb_operator_linear(op));
    uint64_t m = pnb_operator_measurement_shape(op).d[0];
    assert_int_equal(m, 2 * d.count + 1);
    float *x = rig_random(SIDE * SIDE, 1), *ax = rig_run(state, op, APPLY, 1, x);
    double sum = 0; /* the last entry is the total flux */
    for (int i = 0; i < SIDE * SIDE; i++) sum += x[i];
    assert_true(fabs(ax[m - 1] - sum) < 1e-4);
    assert_true(rig_dot(m, ax, ax) <=
                pow(pnb_operator_norm(op), 2) * rig_dot(SIDE * SIDE, x, x) * 1.001); /* all errors are 1 */
    free(x), free(ax);
    pnb_operator_destroy(&op, test_gpu(state));
    pnb_uvdata_free(&d);
    remove(in_folder("obs.csv"));
}

/* What an observation of the truth says is what the operator makes of it: residual 0 for every kind of data, scaled to
 * a flux or not. */
static void test_every_kind(void **state) {
    static const char *const all =
        "[\"visibility\", \"amplitude\", \"closure_phase\", \"log_closure_amplitude\", \"flux\"]";
    double image[SIDE * SIDE], jy[SIDE * SIDE], sum = 0;
    float x[SIDE * SIDE];
    blob(image);
    for (int i = 0; i < SIDE * SIDE; i++) {
        jy[i] = 0.02 * image[i];
        sum += jy[i];
        x[i] = (float)(2 * image[i] - 1);
    }
    pnb_uvdata d;
    make(&d, jy, 0.001);
    const char *path = write_data(&d);
    for (int scaled = 0; scaled < 2; scaled++) {
        char more[100];
        if (scaled)
            snprintf(more, sizeof more, ", \"flux_jy\": %.9g", sum);
        else
            snprintf(more, sizeof more, ", \"peak_jy\": 0.02, \"flux_jy\": %.9g", sum);
        pnb_operator *op = operator_of(state, path, all, more);
        size_t n;
        const pnb_operator_term *terms = pnb_operator_terms(op, &n);
        assert_int_equal(n, 5);
        assert_int_equal(terms[0].count, 2 * d.count);
        assert_int_equal(terms[1].count, d.count);
        assert_int_equal(terms[2].count, TIMES * STATIONS * (STATIONS - 3) / 2);
        assert_int_equal(terms[3].count, 1);
        assert_int_equal(terms[4].count, TIMES * (STATIONS - 1) * (STATIONS - 2) / 2);
        float *y = rig_run(state, op, APPLY, 1, x);
        for (size_t t = 0; t < n; t++) {
            double worst = 0;
            for (uint32_t i = terms[t].begin; i < terms[t].begin + terms[t].count; i++) {
                double e = y[i] - pnb_operator_given(op)[i];
                if (pnb_operator_weights(op)[i] < 0) e = 2 * sin(e / 2);
                worst = fmax(worst, fabs(e));
            }
            print_message("%s: largest error %.2g\n", terms[t].name, worst);
            assert_true(worst < 1e-5);
        }
        free(y);
        pnb_operator_destroy(&op, test_gpu(state));
    }
    pnb_uvdata_free(&d);
    remove(path);
}

/* The FFT's way agrees with the dense one, forward, in the gradient and backward; odd and oblong images too. */
static void test_fft_agrees(void **state) {
    static const uint32_t sizes[][2] = {{16, 16}, {15, 15}, {12, 20}, {64, 64}};
    pnb_uvdata d;
    make(&d, NULL, 1);
    const char *path = write_data(&d);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char json[600];
        pnb_operator *op[2];
        float *y[2], *back[2];
        uint32_t n = sizes[i][0] * sizes[i][1];
        float *x = rig_random(2 * n, 3), *u = NULL;
        for (int fast = 0; fast < 2; fast++) {
            snprintf(json, sizeof json,
                     "{\"file\": \"%s\", \"fov_uas\": %g, \"pixels\": \"jy\", \"transform\": \"%s\"}", path, FOV,
                     fast ? "fft" : "dense");
            op[fast] = rig_make(state, "vlbi", json, pnb_shape3(1, sizes[i][0], sizes[i][1]));
            uint64_t m = pnb_operator_measurement_shape(op[fast]).d[0];
            if (!u) u = rig_random(2 * m, 4);
            y[fast] = rig_run(state, op[fast], APPLY, 2, x);
            back[fast] = rig_run(state, op[fast], ADJOINT, 2, u);
            float *gradient = rig_run(state, op[fast], GRADIENT, 2, u);
            for (uint32_t k = 0; k < 2 * n; k++) assert_true(fabs(gradient[k] - back[fast][k]) < 2e-4);
            free(gradient);
        }
        double worst[2] = {0, 0}, top[2] = {0, 0};
        for (uint64_t k = 0; k < 2 * pnb_operator_measurement_shape(op[0]).d[0]; k++) {
            worst[0] = fmax(worst[0], fabs((double)y[0][k] - y[1][k]));
            top[0] = fmax(top[0], fabs(y[0][k]));
        }
        for (uint32_t k = 0; k < 2 * n; k++) {
            worst[1] = fmax(worst[1], fabs((double)back[0][k] - back[1][k]));
            top[1] = fmax(top[1], fabs(back[0][k]));
        }
        print_message("%u x %u: fft against dense %.2g, adjoint %.2g of the largest\n", sizes[i][0], sizes[i][1],
                      worst[0] / top[0], worst[1] / top[1]);
        assert_true(worst[0] < 1e-4 * top[0] && worst[1] < 1e-4 * top[1]);
        for (int fast = 0; fast < 2; fast++) {
            free(y[fast]);
            free(back[fast]);
            pnb_operator_destroy(&op[fast], test_gpu(state));
        }
        free(x);
        free(u);
    }
    pnb_uvdata_free(&d);
    remove(path);
}

/* ---- golden test 8 ------------------------------------------------------------------------------------------------
 */

static void test_delta_at_the_centre(void **state) {
    enum { ODD = 15 };
    pnb_uvdata d;
    make(&d, NULL, 0.01);
    char json[400];
    snprintf(json, sizeof json, "{\"file\": \"%s\", \"fov_uas\": %g, \"data\": \"visibility\", \"pixels\": \"jy\"}",
             write_data(&d), FOV);
    pnb_operator *op = rig_make(state, "vlbi", json, pnb_shape3(1, ODD, ODD));
    float x[ODD * ODD] = {0};
    x[ODD * ODD / 2] = 0.6f;
    float *y = rig_run(state, op, APPLY, 1, x);
    double p = FOV * PNB_RADIANS_OF_UAS / ODD;
    for (uint32_t k = 0; k < d.count; k++) {
        double su = sin(PI * d.records[k].u * p) / (PI * d.records[k].u * p),
               sv = sin(PI * d.records[k].v * p) / (PI * d.records[k].v * p);
        assert_true(fabs(y[2 * k] - 0.6 * su * su * sv * sv) < 1e-6 && fabs(y[2 * k + 1]) < 1e-6);
    }
    free(y);
    pnb_operator_destroy(&op, test_gpu(state));
    pnb_uvdata_free(&d);
    remove(in_folder("obs.csv"));
}

/* Each station multiplies its visibilities by a gain of its own at each time. */
static void corrupt(pnb_uvdata *d) {
    double gain[TIMES * STATIONS], phase[TIMES * STATIONS];
    for (int i = 0; i < TIMES * STATIONS; i++) {
        gain[i] = exp(1.5 * uniform());
        phase[i] = 2 * PI * uniform();
    }
    for (uint32_t k = 0; k < d->count; k++) {
        pnb_uv_record *r = &d->records[k];
        uint32_t a = r->group * STATIONS + r->station[0], b = r->group * STATIONS + r->station[1];
        double size = gain[a] * gain[b], turn = phase[a] - phase[b], re = r->re;
        r->re = size * (re * cos(turn) - r->im * sin(turn));
        r->im = size * (re * sin(turn) + r->im * cos(turn));
        r->sigma *= size;
    }
}

static void test_gains_do_not_matter(void **state) {
    pnb_uvdata d;
    make(&d, NULL, 0.001);
    static const char *const closures = "[\"closure_phase\", \"log_closure_amplitude\"]";
    pnb_operator *clean = operator_of(state, write_data(&d), closures, "");
    corrupt(&d);
    pnb_operator *dirty = operator_of(state, write_data(&d), closures, "");
    uint32_t m = pnb_operator_measurement_shape(clean).d[0];
    assert_int_equal(m, pnb_operator_measurement_shape(dirty).d[0]);
    const float *a = pnb_operator_given(clean), *b = pnb_operator_given(dirty), *w = pnb_operator_weights(clean);
    for (uint32_t i = 0; i < m; i++) {
        assert_true(fabs(w[i] < 0 ? 2 * sin(0.5 * ((double)a[i] - b[i])) : (double)a[i] - b[i]) < 2e-6);
        assert_true(fabs(w[i] - pnb_operator_weights(dirty)[i]) <= 1e-5 * fabs(w[i]));
    }
    pnb_operator_destroy(&clean, test_gpu(state));
    pnb_operator_destroy(&dirty, test_gpu(state));
    pnb_uvdata_free(&d);
    remove(in_folder("obs.csv"));
}

/* ---- the data term ------------------------------------------------------------------------------------------------
 */

/* |r|^2/2 of x on the device, its gradient, or both. */
static double data_term(void **state, pnb_operator *op, const float *x, const float *y, float *gradient) {
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

static double host_loss(void **state, pnb_operator *op, const float *x) {
    uint32_t m = pnb_operator_measurement_shape(op).d[0];
    float *y = rig_run(state, op, APPLY, 1, x);
    pnb_operator_residual_host(op, 1, y, pnb_operator_given(op), y);
    double loss = 0;
    for (uint32_t i = 0; i < m; i++) loss += 0.5 * (double)y[i] * y[i];
    free(y);
    return loss;
}

/* The gradient against differences of the loss along directions, for each kind of data by itself; a scale of errors
 * that keeps phases within a turn and differences exact. */
static void test_gradients(void **state) {
    static const char *const kinds[] = {"visibility", "amplitude", "closure_phase", "log_closure_amplitude"};
    double image[SIDE * SIDE];
    float x[SIDE * SIDE], moved[SIDE * SIDE], gradient[SIDE * SIDE];
    pnb_uvdata d;
    blob(image);
    make(&d, NULL, 0.05);
    const char *path = write_data(&d);
    for (int scaled = 0; scaled < 2; scaled++) {
        for (size_t kind = 0; kind < 4; kind++) {
            char data[40];
            snprintf(data, sizeof data, "\"%s\"", kinds[kind]);
            pnb_operator *op = operator_of(state, path, data, scaled ? "" : ", \"peak_jy\": 0.05");
            for (int i = 0; i < SIDE * SIDE; i++) x[i] = (float)(1.6 * image[i] - 0.9);
            double loss = data_term(state, op, x, pnb_operator_given(op), gradient), host = host_loss(state, op, x);
            assert_true(fabs(loss - host) <= 1e-5 * host);
            float *along = rig_random(SIDE * SIDE, 5);
            double slope = rig_dot(SIDE * SIDE, gradient, along), step = 1e-3, f[2];
            for (int s = 0; s < 2; s++) {
                for (int i = 0; i < SIDE * SIDE; i++) moved[i] = (float)(x[i] + (s ? -step : step) * along[i]);
                f[s] = host_loss(state, op, moved);
            }
            double difference = (f[0] - f[1]) / (2 * step);
            print_message("%s%s: slope %.6g, by differences %.6g\n", kinds[kind], scaled ? ", scaled to the flux" : "",
                          slope, difference);
            assert_true(fabs(slope - difference) <=
                        2e-3 * sqrt(rig_dot(SIDE * SIDE, gradient, gradient) * rig_dot(SIDE * SIDE, along, along)));
            free(along);
            pnb_operator_destroy(&op, test_gpu(state));
        }
    }
    pnb_uvdata_free(&d);
    remove(path);
}

static void test_errors(void **state) {
    pnb_uvdata d;
    make(&d, NULL, 0.01);
    const char *path = write_data(&d);
    pnb_operator *op =
        operator_of(state, path, "[\"amplitude\", \"closure_phase\"]",
                    ", \"systematic\": 0.03, \"gain_error\": 0.04, \"systematic_deg\": 2, \"weights\": [4, 1]");
    size_t n;
    const pnb_operator_term *terms = pnb_operator_terms(op, &n);
    const float *w = pnb_operator_weights(op);
    double a = hypot(d.records[0].re, d.records[0].im), square = pow(2 * PI / 180, 2);
    assert_true(fabs(w[0] - 2 / sqrt(1e-4 + 25e-4 * a * a)) < 1e-5 * w[0] && terms[0].factor == 4);
    const uint32_t *t = pnb_vlbi_of(op)->closures.triangles[0];
    for (int i = 0; i < 3; i++) square += 1e-4 / (pow(d.records[t[i]].re, 2) + pow(d.records[t[i]].im, 2));
    assert_true(fabs(w[terms[1].begin] + 1 / sqrt(square)) < 1e-5 / sqrt(square));
    pnb_operator_destroy(&op, test_gpu(state));
    pnb_uvdata_free(&d);
    remove(path);
}

static void test_refused(void **state) {
    (void)state;
    pnb_uvdata d;
    make(&d, NULL, 0.01);
    char json[400];
    const char *path = write_data(&d);
    static const struct {
        const char *more, *sentence;
    } cases[] = {
        {"\"data\": \"visibilities\"",
         "data: expected visibility, amplitude, closure_phase, log_closure_amplitude or flux, found 'visibilities'"},
        {"\"data\": []", "data: the list is empty"},
        {"\"data\": [3]", "found something that is no word"},
        {"\"data\": [\"flux\"], \"weights\": [1, 2]", "weights: expected a list of 1 numbers"},
        {"\"data\": [\"flux\"], \"weights\": [-1]", "weights: entry 1 must be a number above 0"},
        {"\"min_snr\": 1e6", "no visibility is left"},
        {"\"fov\": 3", "unknown key 'fov'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(json, sizeof json, "{\"file\": \"%s\", %s}", path, cases[i].more);
        rig_refuse("vlbi", json, pnb_shape3(1, SIDE, SIDE), cases[i].sentence);
    }
    snprintf(json, sizeof json, "{\"file\": \"%s\"}", path);
    rig_refuse("vlbi", json, pnb_shape3(3, SIDE, SIDE), "it needs images of one channel, the prior makes 3");
    rig_refuse("vlbi", json, pnb_shape1(4), "it needs images [C,H,W]");
    rig_refuse("vlbi", json, pnb_shape3(1, 4096, 4096), "make a matrix of");
    rig_refuse("vlbi", "{\"file\": \"/nonexistent.csv\"}", pnb_shape3(1, SIDE, SIDE), "/nonexistent.csv");
    rig_refuse("vlbi", NULL, pnb_shape3(1, SIDE, SIDE), "'file' is missing");
    d.count = 2; /* two baselines of one time */
    write_data(&d);
    snprintf(json, sizeof json, "{\"file\": \"%s\", \"data\": \"closure_phase\"}", path);
    rig_refuse("vlbi", json, pnb_shape3(1, SIDE, SIDE), "closures need three or four stations at a time");
    pnb_uvdata_free(&d);
    remove(path);
}

/* ---- the published operator ----------------------------------------------------------------------------------------
 */

#define FIXTURE "vlbi/sgra_like.safetensors"

static void compare(const char *what, const float *got, const float *want, uint64_t n, double tolerance, bool angles) {
    double worst = 0, top = 1e-30;
    for (uint64_t i = 0; i < n; i++) {
        double d = (double)got[i] - want[i];
        worst = fmax(worst, fabs(angles ? 2 * sin(0.5 * d) : d));
        top = fmax(top, fabs(want[i]));
    }
    print_message("%s: largest error %.2g, of the largest value %.2g\n", what, worst, worst / top);
    assert_true(worst <= tolerance * (angles ? 1 : top));
}

/* The UVFITS of the fixture, read, averaged, and made into closures; all numbers against the published operator's. */
static void test_fixture(void **state) {
#ifndef PNB_CFITSIO
    skip();
#endif
    if (fixtures_absent()) skip();
    enum { VIS = 270, CP = 186, CA = 170, N = 64 };
    pnb_array image = fixture(FIXTURE, "image"), perturbed = fixture(FIXTURE, "image_perturbed");
    pnb_array vis = fixture(FIXTURE, "vis"), amp = fixture(FIXTURE, "amp"), cp = fixture(FIXTURE, "cphase"),
              ca = fixture(FIXTURE, "logcamp");
    pnb_array cp_index = fixture(FIXTURE, "cp_index"), ca_index = fixture(FIXTURE, "camp_index"),
              gradient = fixture(FIXTURE, "grad_x_normalised");
    pnb_array noisy_cp = fixture(FIXTURE, "noisy_cphase"), noisy_ca = fixture(FIXTURE, "noisy_logcamp"),
              noisy_cp_sigma = fixture(FIXTURE, "noisy_sigma_cphase");
    pnb_array noisy_ca_sigma = fixture(FIXTURE, "noisy_sigma_logcamp"), noisy_amp = fixture(FIXTURE, "noisy_amp"),
              loss = fixture(FIXTURE, "loss");
    pnb_array hours = fixture(FIXTURE, "time_h_f64"), t1 = fixture(FIXTURE, "t1"), t2 = fixture(FIXTURE, "t2");
    const double peak = 0.0074698574270932626;
    float x[N * N];
    for (int i = 0; i < N * N; i++) x[i] = 2 * image.data[i] - 1;
    char json[400];
    snprintf(
        json, sizeof json,
        "{\"file\": \"%s/vlbi/sgra_like.uvfits\", \"fov_uas\": 160, \"peak_jy\": %.17g, \"flux_jy\": 2.4, \"data\": "
        "[\"visibility\", \"amplitude\", \"closure_phase\", \"log_closure_amplitude\"]}",
        FIXTURES, peak);
    pnb_operator *op = rig_make(state, "vlbi", json, pnb_shape3(1, N, N));
    const pnb_closures *c = &pnb_vlbi_of(op)->closures;
    assert_true(c->n_triangles == CP && c->n_quadrangles == CA);
    float *y = rig_run(state, op, APPLY, 1, x);
    const float *given = pnb_operator_given(op), *w = pnb_operator_weights(op);
    /* Its records stand in another order: record `at[i]` of ours is its number i. */
    uint32_t at[VIS];
    float in_order[2 * VIS], in_order_amp[VIS], in_order_measured[VIS];
    for (uint32_t i = 0; i < VIS; i++) {
        for (at[i] = 0; at[i] < VIS; at[i]++) {
            const pnb_uv_record *r = &pnb_vlbi_of(op)->data.records[at[i]];
            if (fabs(r->hours - hours.data[i]) < 1e-4 && r->station[0] == t1.data[i] && r->station[1] == t2.data[i])
                break;
        }
        assert_true(at[i] < VIS);
        for (int e = 0; e < 2; e++) in_order[2 * i + e] = y[2 * at[i] + e];
        in_order_amp[i] = y[2 * VIS + at[i]];
        in_order_measured[i] = given[2 * VIS + at[i]];
    }
    for (int i = 0; i < 2 * VIS; i++) vis.data[i] *= (float)peak;
    for (int i = 0; i < VIS; i++) amp.data[i] *= (float)peak, noisy_amp.data[i] *= (float)peak;
    compare("visibilities", in_order, vis.data, 2 * VIS, 1e-5, false);
    compare("amplitudes", in_order_amp, amp.data, VIS, 1e-5, false);
    compare("measured amplitudes", in_order_measured, noisy_amp.data, VIS, 1e-5, false);
    /* The same sets, in an order of our own: matched by their records. */
    float *ca_got = malloc(4 * CA * sizeof(float)), *cp_got = malloc(4 * CP * sizeof(float));
    for (int i = 0; i < CA; i++) {
        int found = -1;
        for (int k = 0; k < CA && found < 0; k++) {
            bool same = true;
            for (int e = 0; e < 4; e++)
                same = same && (at[(int)ca_index.data[4 * i + e]] == c->quadrangles[k][e] ||
                                at[(int)ca_index.data[4 * i + (e ^ 1)]] == c->quadrangles[k][e]);
            if (same) found = k;
        }
        assert_true(found >= 0);
        for (int part = 0; part < 3; part++) {
            const float *from = part == 0 ? y : part == 1 ? given : w;
            ca_got[part * CA + i] = part == 2 ? 1 / from[3 * VIS + found] : from[3 * VIS + found];
        }
    }
    for (int i = 0; i < CP; i++) {
        int found = -1;
        for (int k = 0; k < CP && found < 0; k++) {
            bool same = true;
            for (int e = 0; e < 3; e++) same = same && at[(int)cp_index.data[3 * i + e]] == c->triangles[k][e];
            if (same) found = k;
        }
        assert_true(found >= 0);
        for (int part = 0; part < 3; part++) {
            const float *from = part == 0 ? y : part == 1 ? given : w;
            cp_got[part * CP + i] = part == 2 ? -1 / from[3 * VIS + CA + found] : from[3 * VIS + CA + found];
        }
    }
    compare("log closure amplitudes", ca_got, ca.data, CA, 1e-5, false);
    compare("closure phases", cp_got, cp.data, CP, 1e-5, true);
    compare("measured log closure amplitudes", ca_got + CA, noisy_ca.data, CA, 1e-5, false);
    compare("measured closure phases", cp_got + CP, noisy_cp.data, CP, 1e-5, true);
    compare("errors of log closure amplitudes", ca_got + 2 * CA, noisy_ca_sigma.data, CA, 1e-5, false);
    compare("errors of closure phases", cp_got + 2 * CP, noisy_cp_sigma.data, CP, 1e-5, false);
    free(y), free(ca_got), free(cp_got);
    pnb_operator_destroy(&op, test_gpu(state));
    /* The published loss is 2 (r_cp^2 + r_ca^2) + (F - F0)^2/4 in units of the peak: four times ours, with sigma_F = 2
     * sqrt(2) peaks. */
    snprintf(json, sizeof json,
             "{\"file\": \"%s/vlbi/sgra_like.uvfits\", \"fov_uas\": 160, \"peak_jy\": %.17g, \"flux_jy\": %.17g, "
             "\"flux_error\": %.17g, "
             "\"data\": [\"closure_phase\", \"log_closure_amplitude\", \"flux\"]}",
             FIXTURES, peak, 321.2913 * peak, sqrt(8) / 321.2913);
    op = rig_make(state, "vlbi", json, pnb_shape3(1, N, N));
    static float g[N * N];
    for (int i = 0; i < N * N; i++) x[i] = 2 * perturbed.data[i] - 1;
    double got = 4 * data_term(state, op, x, pnb_operator_given(op), g);
    for (int i = 0; i < N * N; i++) g[i] *= 4;
    print_message("closure loss %.8g, published %.8g\n", got, (double)loss.data[0]);
    assert_true(fabs(got - loss.data[0]) <= 1e-4 * loss.data[0]);
    compare("gradient of the closure loss", g, gradient.data, N * N, 1e-3, false);
    pnb_operator_destroy(&op, test_gpu(state));
    pnb_array *const all[] = {&image,          &perturbed, &vis,      &amp,      &cp,       &ca,
                              &cp_index,       &ca_index,  &gradient, &noisy_cp, &noisy_ca, &noisy_cp_sigma,
                              &noisy_ca_sigma, &noisy_amp, &loss,     &hours,    &t1,       &t2};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) pnb_array_free(all[i]);
}

static int setup(void **state) {
    return make_folder(state) || test_device_setup(state);
}

static int teardown(void **state) {
    return test_device_teardown(state) || remove_folder(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_visibilities),
        cmocka_unit_test(test_linear_in_jy),
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_fft_agrees),
        cmocka_unit_test(test_delta_at_the_centre),
        cmocka_unit_test(test_gains_do_not_matter),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_fixture),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
