/* MLP priors: files, prediction and gradients against the same network in double; the log-SNR features at every level.
 */
#include "device.h"

#include "rig.h"

enum { D = 3, HIDDEN = 20, DEPTH = 3, N = 7, FEATURES = 16, MAX_TENSORS = 4 * DEPTH + 2 };
static const uint32_t T[N] = {0, 3, 40, 200, 500, 800, 999};

/* The network's tensors in double, as the file has them. */
typedef struct mlp_file {
    pnb_safetensors_item items[MAX_TENSORS];
    char names[MAX_TENSORS][24];
    size_t count;
} mlp_file;

static void add(mlp_file *f, const char *name, uint32_t rank, uint64_t rows, uint64_t columns) {
    float *values = rig_normal(50 + f->count, rows * columns);
    for (uint64_t i = 0; i < rows * columns; i++) values[i] *= 0.4f;
    snprintf(f->names[f->count], sizeof f->names[0], "%s", name);
    f->items[f->count] =
        (pnb_safetensors_item){.name = f->names[f->count], .rank = rank, .shape = {rows, columns}, .data = values};
    f->count++;
}

static void make_file(mlp_file *f) {
    char name[24];
    f->count = 0;
    for (int i = 0; i <= 2 * DEPTH; i++) { /* inp, hid.0, hid.1, emb.0, emb.1, emb.2, out */
        uint64_t in = i == 0          ? D
                      : i < DEPTH     ? HIDDEN
                      : i < 2 * DEPTH ? FEATURES
                                      : HIDDEN,
                 out = i == 2 * DEPTH ? D : HIDDEN;
        const char *stem = i == 0 ? "inp" : i < DEPTH ? "hid" : i < 2 * DEPTH ? "emb" : "out";
        bool numbered = i > 0 && i < 2 * DEPTH;
        snprintf(name, sizeof name, numbered ? "%s.%d.weight" : "%s.weight", stem, i < DEPTH ? i - 1 : i - DEPTH);
        add(f, name, 2, out, in);
        snprintf(name, sizeof name, numbered ? "%s.%d.bias" : "%s.bias", stem, i < DEPTH ? i - 1 : i - DEPTH);
        add(f, name, 1, out, 1);
    }
}

static void unmake(mlp_file *f) {
    for (size_t i = 0; i < f->count; i++) free((void *)f->items[i].data);
}

static void linear(const mlp_file *f, int layer, const double *x, double *y) {
    const pnb_safetensors_item *w = &f->items[2 * layer], *b = &f->items[2 * layer + 1];
    for (uint64_t o = 0; o < w->shape[0]; o++) {
        y[o] = b->data[o];
        for (uint64_t i = 0; i < w->shape[1]; i++) y[o] += w->data[o * w->shape[1] + i] * x[i];
    }
}

/* class MLP of the two-dimensional oracle */
static void reference(const mlp_file *f, const double *x, double lambda, double *eps) {
    double e[FEATURES], h[HIDDEN], a[HIDDEN], b[HIDDEN];
    for (int k = 0; k < 8; k++) {
        e[k] = sin(0.15 * (k + 1) * lambda);
        e[8 + k] = cos(0.15 * (k + 1) * lambda);
    }
    for (int i = 0; i < DEPTH; i++) {
        linear(f, i, i ? h : x, a);
        linear(f, DEPTH + i, e, b);
        for (int j = 0; j < HIDDEN; j++) {
            double s = a[j] + b[j];
            h[j] = s / (1 + exp(-s)) + (i ? h[j] : 0);
        }
    }
    linear(f, 2 * DEPTH, h, eps);
}

static void test_against_double(void **state) {
    char path[128];
    pnb_error *err = test_err(state);
    mlp_file f;
    make_file(&f);
    pnb_safetensors_pair meta[] = {{"architecture", "mlp"}};
    TEST_OK(err, pnb_safetensors_write(err, temporary("mlp.safetensors", path), PNB_F32, f.items, f.count, meta, 1));
    pnb_prior *prior;
    TEST_OK(err, pnb_prior_load(err, path, &prior));
    unlink(path);
    assert_int_equal(pnb_prior_get_kind(prior), PNB_PRIOR_MLP);
    assert_int_equal(pnb_prior_dim(prior), D);
    assert_int_equal(pnb_prior_parameters(prior),
                     HIDDEN * D + 2 * HIDDEN * HIDDEN + 3 * HIDDEN * FEATURES + D * HIDDEN + 6 * HIDDEN + D);
    assert_string_equal(pnb_prior_describe(prior), "MLP: 3 dimensions, 3 layers of 20, SiLU, log-SNR features");
    TEST_OK(err, pnb_prior_commit(prior, test_gpu(state)));
    const pnb_schedule *s = pnb_prior_schedule(prior);
    rig r = rig_open(state);
    pnb_level level = rig_level(&r, s, T, N);
    float *x = rig_normal(61, N * D), *v = rig_normal(62, N * D), want[N * D], want_g[N * D];
    pnb_tensor tx = rig_input(&r, "x", pnb_shape2(N, D), x), tv = rig_input(&r, "v", pnb_shape2(N, D), v), eps, gx;
    TEST_OK(err, pnb_prior_eps(prior, r.g, tx, level, NULL, &eps));
    TEST_OK(err, pnb_graph_grad(r.g, &eps, &tv, 1, &tx, 1, &gx));
    rig_output(&r, eps);
    rig_output(&r, gx);
    rig_run(&r);
    for (int n = 0; n < N; n++) {
        double out[D], up[D], down[D], h = 1e-5, xd[D] = {x[n * D], x[n * D + 1], x[n * D + 2]};
        reference(&f, xd, s->lambda[T[n]], out);
        for (int j = 0; j < D; j++) {
            want[n * D + j] = (float)out[j];
            double a[D] = {xd[0], xd[1], xd[2]}, sum = 0;
            a[j] = xd[j] + h;
            reference(&f, a, s->lambda[T[n]], up);
            a[j] = xd[j] - h;
            reference(&f, a, s->lambda[T[n]], down);
            for (int k = 0; k < D; k++) sum += v[n * D + k] * (up[k] - down[k]) / (2 * h);
            want_g[n * D + j] = (float)sum;
        }
    }
    float *got = rig_read(&r, eps), *got_g = rig_read(&r, gx);
    double e = relative_error(got, want, N * D, 0), eg = relative_error(got_g, want_g, N * D, 0);
    print_message("mlp: eps %.1e, gradient %.1e\n", e, eg);
    assert_true(e <= 1e-5);
    assert_true(eg <= 1e-4);
    free(x);
    free(v);
    free(got);
    free(got_g);
    rig_close(&r);
    unmake(&f);
    pnb_prior_destroy(&prior, test_gpu(state));
}

static void expect_refused(const mlp_file *f, size_t count, const char *part) {
    char path[128];
    pnb_error err = {0};
    pnb_prior *prior;
    pnb_safetensors_pair meta[] = {{"architecture", "mlp"}};
    TEST_OK(&err, pnb_safetensors_write(&err, temporary("mlp.safetensors", path), PNB_F32, f->items, count, meta, 1));
    assert_int_equal(pnb_prior_load(&err, path, &prior), PNB_ERROR_MODEL);
    if (!strstr(err.message, part)) fail_msg("expected '%s' in: %s", part, err.message);
    assert_null(prior);
    unlink(path);
}

static void test_bad_files(void **state) {
    (void)state;
    mlp_file f;
    make_file(&f);
    expect_refused(&f, f.count - 1, "found 13 tensors, expected 14");
    expect_refused(&f, 2, "0 layers emb.i");
    f.items[4].shape[0] = HIDDEN - 1; /* hid.1.weight */
    expect_refused(&f, f.count, "hid.1.weight");
    f.items[4].shape[0] = HIDDEN;
    f.items[4].name = "odd";
    expect_refused(&f, f.count, "hid.1.weight");
    f.items[0].name = "in.weight";
    expect_refused(&f, f.count, "'inp.weight'");
    unmake(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_double), cmocka_unit_test(test_bad_files)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}
