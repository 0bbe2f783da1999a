/* vlbi: visibilities and closure quantities against sums in double, golden test 8, closures in minimal sets, refusals. The
 * observations are made here; the published operator's numbers are in tests/fixtures/test_fixture_vlbi.c. */
#include "measure/observation.h"

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

/* The spreads: each row's length and one factor, with which D^-1/2 J is nowhere longer than the norm, and hardly shorter. */
static void test_spreads(void **state) {
    pnb_uvdata d;
    make(&d, NULL, 0.02);
    for (uint32_t k = 0; k < d.count; k++) d.records[k].sigma *= 1 + k % 7;
    pnb_operator *op = operator_of(state, write_data(&d), "[\"visibility\", \"flux\"]", ", \"pixels\": \"jy\", \"flux_jy\": 1");
    uint32_t m = pnb_operator_measurement_shape(op).d[0];
    const float *w = pnb_operator_weights(op), *spreads = pnb_operator_spreads(op);
    double norm2 = pow(pnb_operator_norm(op), 2), factor = 0;
    assert_non_null(spreads);
    float *unit = calloc(m, sizeof *unit);
    assert_non_null(unit);
    for (uint32_t i = 0; i < m; i++) {
        unit[i] = w[i];
        float *row = rig_run(state, op, ADJOINT, 1, unit);
        double f = spreads[i] * norm2 / rig_dot(SIDE * SIDE, row, row);
        unit[i] = 0;
        free(row);
        if (i == 0) factor = f;
        assert_true(fabs(f / factor - 1) < 1e-4);
    }
    free(unit);
    float *x = rig_random(SIDE * SIDE, 3);
    double square = 0;
    for (int round = 0; round < 40; round++) {
        double size = sqrt(rig_dot(SIDE * SIDE, x, x));
        for (int i = 0; i < SIDE * SIDE; i++) x[i] /= (float)size;
        float *y = rig_run(state, op, APPLY, 1, x);
        square = 0;
        for (uint32_t i = 0; i < m; i++) {
            square += pow(w[i] * y[i], 2) / spreads[i];
            y[i] *= w[i] * w[i] / spreads[i];
        }
        free(x);
        x = rig_run(state, op, ADJOINT, 1, y);
        free(y);
    }
    print_message("spreads: factor %.4g, largest square %.4g of the norm's\n", factor, square / norm2);
    assert_true(square <= norm2 * (1 + 1e-4) && square >= 0.8 * norm2);
    free(x);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_visibilities),
        cmocka_unit_test(test_linear_in_jy),
        cmocka_unit_test(test_spreads),
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_fft_agrees),
        cmocka_unit_test(test_delta_at_the_centre),
        cmocka_unit_test(test_gains_do_not_matter),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, device_and_folder_setup, device_and_folder_teardown);
}
