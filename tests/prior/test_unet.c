/* U-Nets as graphs: their derivative, checkpointing, raw output, classes, image sizes, and files that are no such
 * network. */
#include "device.h"

#include "rig.h"

enum { N = 2, C = 2, H = 16, W = 12, COUNT = N * C * H * W };
static const uint32_t T[N] = {40, 700};

typedef struct built {
    rig r;
    pnb_storage *x;
    pnb_tensor eps, gx;
    float *cotangent;
} built;

static built build(void **state, pnb_prior *prior, const pnb_eps_params *params) {
    built b = {.r = rig_open(state), .cotangent = rig_normal(32, COUNT)};
    pnb_shape shape = pnb_shape4(N, C, H, W);
    pnb_level level = rig_level(&b.r, pnb_prior_schedule(prior), T, N);
    float *x = rig_normal(31, COUNT);
    pnb_tensor tx, v = rig_input(&b.r, "v", shape, b.cotangent);
    b.x = rig_storage(&b.r, "x", shape, x);
    TEST_OK(b.r.err, pnb_graph_bind(b.r.g, b.x, &tx));
    TEST_OK(b.r.err, pnb_prior_eps(prior, b.r.g, tx, level, params, &b.eps));
    TEST_OK(b.r.err, pnb_graph_grad(b.r.g, &b.eps, &v, 1, &tx, 1, &b.gx));
    rig_output(&b.r, b.eps);
    rig_output(&b.r, b.gx);
    rig_run(&b.r);
    free(x);
    return b;
}

static void unbuild(built *b) {
    free(b->cotangent);
    rig_close(&b->r);
}

/* <v, (eps(x + h d) - eps(x - h d)) / 2h> = <J^T v, d>, with one step of Richardson against the cubic term. */
static double central(built *b, const float *x, const float *d, float h) {
    double value[2];
    for (int side = 0; side < 2; side++) {
        float *moved = malloc(COUNT * sizeof *moved);
        assert_non_null(moved);
        for (int i = 0; i < COUNT; i++) moved[i] = x[i] + (side ? -h : h) * d[i];
        TEST_OK(b->r.err, pnb_storage_write(b->x, b->r.gpu, moved, COUNT));
        rig_run(&b->r);
        float *eps = rig_read(&b->r, b->eps);
        value[side] = dot(eps, b->cotangent, COUNT);
        free(eps);
        free(moved);
    }
    return (value[0] - value[1]) / (2 * h);
}

static void check_derivative(void **state, const char *name, pnb_prior *prior) {
    built b = build(state, prior, NULL);
    float *gx = rig_read(&b.r, b.gx), *x = rig_normal(31, COUNT), *d = rig_normal(33, COUNT);
    double want = dot(gx, d, COUNT), size = sqrt(dot(gx, gx, COUNT)); /* of <gx, d> for random d */
    double got = (4 * central(&b, x, d, 0.01f) - central(&b, x, d, 0.02f)) / 3;
    print_message("%s: directional derivative off by %.1e of its usual size\n", name, fabs(got - want) / size);
    assert_true(fabs(got - want) <= 2e-3 * size);
    free(gx);
    free(x);
    free(d);
    unbuild(&b);
    pnb_prior_destroy(&prior, test_gpu(state));
}

static void test_derivative(void **state) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    check_derivative(state, "adm", small_adm_prior(gpu, err));
    check_derivative(state, "songunet, vp", small_song_prior(gpu, err, "vp"));
    check_derivative(state, "songunet, edm", small_song_prior(gpu, err, "edm"));
}

static void check_checkpoint(void **state, pnb_prior *prior) {
    built plain = build(state, prior, NULL),
          saved = build(state, prior, &(pnb_eps_params){.label = PNB_NONE, .checkpoint = true});
    float *a = rig_read(&plain.r, plain.eps), *b = rig_read(&saved.r, saved.eps);
    float *ga = rig_read(&plain.r, plain.gx), *gb = rig_read(&saved.r, saved.gx);
    assert_memory_equal(a, b, COUNT * sizeof *a);
    assert_memory_equal(ga, gb, COUNT * sizeof *a);
    free(a);
    free(b);
    free(ga);
    free(gb);
    unbuild(&plain);
    unbuild(&saved);
    pnb_prior_destroy(&prior, test_gpu(state));
}

static void test_checkpoint(void **state) {
    check_checkpoint(state, small_adm_prior(test_gpu(state), test_err(state)));
    check_checkpoint(state, small_song_prior(test_gpu(state), test_err(state), "vp"));
}

/* 16-bit storage: near the same, twice the same, and without it the same as ever; less memory. */
static void test_half(void **state) {
    uint64_t bytes[2];
    float *eps[2], *gx[2];
    for (int half = 0; half < 2; half++) {
        pnb_prior *prior = small_adm_prior(test_gpu(state), test_err(state));
        pnb_prior_set_half(prior, half);
        built b = build(state, prior, NULL), saved = build(state, prior, &(pnb_eps_params){.label = PNB_NONE, .checkpoint = true});
        const pnb_plan_report *r = pnb_program_report(b.r.program);
        eps[half] = rig_read(&b.r, b.eps);
        gx[half] = rig_read(&b.r, b.gx);
        float *again = rig_read(&saved.r, saved.eps), *ggain = rig_read(&saved.r, saved.gx);
        assert_memory_equal(eps[half], again, COUNT * sizeof *again);
        if (half) assert_true(relative_error(ggain, gx[1], COUNT, 0) <= 2e-2); /* what a segment makes again is not rounded */
        else assert_memory_equal(gx[half], ggain, COUNT * sizeof *again);
        bytes[half] = r->arena_bytes + r->constant_bytes;
        free(again);
        free(ggain);
        unbuild(&saved);
        unbuild(&b);
        pnb_prior_destroy(&prior, test_gpu(state));
    }
    double e = relative_error(eps[1], eps[0], COUNT, 0), eg = relative_error(gx[1], gx[0], COUNT, 0);
    print_message("fp16: eps off by %.1e, gradient by %.1e; %llu bytes instead of %llu\n", e, eg, (unsigned long long)bytes[1],
                  (unsigned long long)bytes[0]);
    assert_true(e > 1e-6 && e <= 2e-2 && eg > 1e-6 && eg <= 2e-2);
    assert_true(bytes[1] < 0.75 * bytes[0]);
    for (int i = 0; i < 2; i++) {
        free(eps[i]);
        free(gx[i]);
    }
}

static void test_raw(void **state) {
    pnb_prior *prior = small_adm_prior(test_gpu(state), test_err(state));
    built b = build(state, prior, NULL);
    rig r = rig_open(state);
    pnb_level level = rig_level(&r, pnb_prior_schedule(prior), T, N);
    pnb_tensor x = rig_normal_input(&r, "x", pnb_shape4(N, C, H, W), 31), raw;
    TEST_OK(r.err, pnb_prior_eps(prior, r.g, x, level, &(pnb_eps_params){.label = PNB_NONE, .raw = true}, &raw));
    assert_int_equal(pnb_graph_shape(r.g, raw).d[1], 2 * C);
    rig_output(&r, raw);
    rig_run(&r);
    float *all = rig_read(&r, raw), *eps = rig_read(&b.r, b.eps);
    for (size_t n = 0; n < N; n++)
        assert_memory_equal(all + n * 2 * C * H * W, eps + n * C * H * W, C * H * W * sizeof *eps);
    free(all);
    free(eps);
    rig_close(&r);
    unbuild(&b);
    pnb_prior_destroy(&prior, test_gpu(state));
}

static void test_facts_and_shapes(void **state) {
    pnb_error *err = test_err(state);
    pnb_prior *prior = small_adm_prior(test_gpu(state), err);
    assert_int_equal(pnb_prior_get_kind(prior), PNB_PRIOR_UNET);
    assert_string_equal(pnb_prior_architecture(prior), "adm");
    assert_int_equal(pnb_prior_channels(prior), 2);
    assert_int_equal(pnb_prior_out_channels(prior), 4);
    assert_int_equal(pnb_prior_dim(prior), 0);
    assert_int_equal(pnb_prior_multiple(prior), 2);
    assert_int_equal(pnb_prior_size_hint(prior), 16);
    assert_int_equal(pnb_prior_classes(prior), 0);
    assert_non_null(strstr(pnb_prior_describe(prior), "levels of 32,64 channels"));
    assert_int_equal(pnb_prior_commit(prior, test_gpu(state)), PNB_ERROR_USAGE);
    rig r = rig_open(state);
    pnb_level level = rig_level(&r, pnb_prior_schedule(prior), T, N);
    pnb_tensor eps, label = rig_normal_input(&r, "label", pnb_shape1(N), 1);
    pnb_tensor tiny = rig_normal_input(&r, "tiny", pnb_shape4(N, C, 8, 1), 1),
               grey = rig_normal_input(&r, "grey", pnb_shape4(N, 1, 8, 8), 1);
    pnb_tensor three = rig_normal_input(&r, "three", pnb_shape4(3, C, 8, 8), 1),
               good = rig_normal_input(&r, "good", pnb_shape4(N, C, 8, 8), 1);
    assert_int_equal(pnb_prior_eps(prior, r.g, tiny, level, NULL, &eps), PNB_ERROR_INPUT);
    assert_non_null(strstr(err->message, "8 x 1 is too small"));
    assert_int_equal(pnb_prior_eps(prior, r.g, grey, level, NULL, &eps), PNB_ERROR_INPUT);
    assert_int_equal(pnb_prior_eps(prior, r.g, three, level, NULL, &eps), PNB_ERROR_INPUT);
    assert_int_equal(pnb_prior_eps(prior, r.g, good, level, &(pnb_eps_params){.label = label}, &eps), PNB_ERROR_USAGE);
    rig_close(&r);
    pnb_prior_destroy(&prior, test_gpu(state));
    pnb_prior_destroy(&prior, test_gpu(state));
    pnb_prior_destroy(NULL, NULL);
}

/* An image of 13 x 9 is seen with its last rows and columns mirrored (14 x 10), and the output is cropped: the same as
 * doing so by hand, and the gradient is that of what is cropped, folded back. */
static void test_padding(void **state) {
    enum { h = 13, w = 9 };
    pnb_prior *prior = small_adm_prior(test_gpu(state), test_err(state));
    assert_int_equal(pnb_prior_padded(prior, h), h + 1);
    assert_int_equal(pnb_prior_padded(prior, h + 1), h + 1);
    rig r = rig_open(state);
    pnb_level level = rig_level(&r, pnb_prior_schedule(prior), T, N);
    float *x = rig_normal(41, N * C * h * w), *mirrored = rig_normal(0, N * C * (h + 1) * (w + 1));
    float *v = rig_normal(42, N * C * h * w), *zeros = rig_normal(0, N * C * (h + 1) * (w + 1));
    for (int p = 0; p < N * C; p++)
        for (int i = 0; i <= h; i++)
            for (int j = 0; j <= w; j++) {
                int at = (p * (h + 1) + i) * (w + 1) + j;
                mirrored[at] = x[(p * h + (i < h ? i : h - 2)) * w + (j < w ? j : w - 2)];
                zeros[at] = i < h && j < w ? v[(p * h + i) * w + j] : 0;
            }
    pnb_tensor odd = rig_input(&r, "odd", pnb_shape4(N, C, h, w), x), eps, whole, gx, gw;
    pnb_tensor even = rig_input(&r, "even", pnb_shape4(N, C, h + 1, w + 1), mirrored);
    pnb_tensor cv = rig_input(&r, "v", pnb_shape4(N, C, h, w), v);
    pnb_tensor cz = rig_input(&r, "z", pnb_shape4(N, C, h + 1, w + 1), zeros);
    TEST_OK(r.err, pnb_prior_eps(prior, r.g, odd, level, NULL, &eps));
    TEST_OK(r.err, pnb_prior_eps(prior, r.g, even, level, NULL, &whole));
    TEST_OK(r.err, pnb_graph_grad(r.g, &eps, &cv, 1, &odd, 1, &gx));
    TEST_OK(r.err, pnb_graph_grad(r.g, &whole, &cz, 1, &even, 1, &gw));
    pnb_tensor outputs[] = {eps, whole, gx, gw};
    for (int i = 0; i < 4; i++) rig_output(&r, outputs[i]);
    rig_run(&r);
    float *a = rig_read(&r, eps), *b = rig_read(&r, whole), *ga = rig_read(&r, gx), *gb = rig_read(&r, gw);
    for (int p = 0; p < N * C; p++)
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++) {
                int small = (p * h + i) * w + j;
                double g = 0;
                for (int k = 0; k < 4; k++) { /* itself and its mirror images */
                    int row = k & 1 ? h : i, column = k & 2 ? w : j;
                    if ((k & 1 && i != h - 2) || (k & 2 && j != w - 2)) continue;
                    g += gb[(p * (h + 1) + row) * (w + 1) + column];
                }
                assert_true(fabs(a[small] - b[(p * (h + 1) + i) * (w + 1) + j]) <= 1e-5);
                assert_true(fabs(ga[small] - g) <= 1e-5 * (1 + fabs(g)));
            }
    float *all[] = {x, mirrored, v, zeros, a, b, ga, gb};
    for (int i = 0; i < 8; i++) free(all[i]);
    rig_close(&r);
    pnb_prior_destroy(&prior, test_gpu(state));
}

/* Additive embedding, strided convolutions, classes: two labels, two answers; no label, no answer. */
static void test_classes(void **state) {
    pnb_error *err = test_err(state);
    pnb_adm_config c = small_adm();
    char path[128];
    c.scale_shift = c.resblock_updown = false;
    c.classes = 3;
    adm_file *f = adm_file_create(&c);
    adm_file_write(f, temporary("classes.safetensors", path));
    adm_file_destroy(f);
    pnb_prior *prior;
    TEST_OK(err, pnb_prior_load(err, path, &prior));
    unlink(path);
    TEST_OK(err, pnb_prior_commit(prior, test_gpu(state)));
    assert_int_equal(pnb_prior_classes(prior), 3);
    rig r = rig_open(state);
    pnb_level level = rig_level(&r, pnb_prior_schedule(prior), (uint32_t[]){300, 300}, N);
    float *x = rig_normal(31, COUNT);
    memcpy(x + COUNT / 2, x, COUNT / 2 * sizeof *x); /* the same image twice */
    pnb_tensor tx = rig_input(&r, "x", pnb_shape4(N, C, H, W), x),
               label = rig_input(&r, "label", pnb_shape1(N), (float[]){0, 2}), eps;
    assert_int_equal(pnb_prior_eps(prior, r.g, tx, level, NULL, &eps), PNB_ERROR_USAGE);
    TEST_OK(err, pnb_prior_eps(prior, r.g, tx, level, &(pnb_eps_params){.label = label}, &eps));
    rig_output(&r, eps);
    rig_run(&r);
    float *got = rig_read(&r, eps);
    assert_true(relative_error(got, got + COUNT / 2, COUNT / 2, 0) > 1e-3);
    free(got);
    free(x);
    rig_close(&r);
    pnb_prior_destroy(&prior, test_gpu(state));
}

static void expect_refused(const char *path, pnb_status status, const char *part) {
    pnb_error err = {0};
    pnb_prior *prior = NULL;
    pnb_status got = pnb_prior_load(&err, path, &prior);
    if (got != status || !strstr(err.message, part))
        fail_msg("expected %d with '%s', found %d: %s", status, part, got, err.message);
    assert_null(prior);
}

static void test_bad_files(void **state) {
    (void)state;
    char path[128];
    pnb_adm_config c = small_adm();
    adm_file *f = adm_file_create(&c);
    temporary("bad.safetensors", path);
    expect_refused("/tmp/there-is-no-such-prior.safetensors", PNB_ERROR_INPUT, "there-is-no-such-prior");
    adm_file_write(f, path);
    assert_int_equal(truncate(path, 100000), 0);
    expect_refused(path, PNB_ERROR_MODEL, path);
    f->count--; /* out.2.bias */
    adm_file_write(f, path);
    expect_refused(path, PNB_ERROR_MODEL, "'out.2.bias' is missing");
    f->items[0].name = "something.else";
    adm_file_write(f, path);
    expect_refused(path, PNB_ERROR_MODEL, "'time_embed.0.weight' is missing");
    f->items[0].name = f->names[0];
    f->count++;
    pnb_safetensors_pair meta[] = {{"schedule", "sideways"}};
    assert_int_equal(pnb_safetensors_write(NULL, path, PNB_F32, f->items, f->count, meta, 1), PNB_OK);
    expect_refused(path, PNB_ERROR_MODEL, "schedule 'sideways'");
    assert_int_equal(pnb_safetensors_write(NULL, path, PNB_F32, f->items, 2, NULL, 0), PNB_OK);
    expect_refused(path, PNB_ERROR_MODEL, "no network known here");
    unlink(path);
    adm_file_destroy(f);
}

static void test_song_facts(void **state) {
    pnb_prior *prior = small_song_prior(test_gpu(state), test_err(state), "edm");
    assert_string_equal(pnb_prior_architecture(prior), "songunet");
    assert_int_equal(pnb_prior_channels(prior), 2);
    assert_int_equal(pnb_prior_out_channels(prior), 2);
    assert_int_equal(pnb_prior_multiple(prior), 2);
    assert_int_equal(pnb_prior_size_hint(prior), 16);
    assert_int_equal(pnb_prior_schedule(prior)->time, PNB_TIME_EDM);
    assert_non_null(
        strstr(pnb_prior_describe(prior), "edm preconditioning: 2 to 2 channels, levels of 32,64 channels"));
    pnb_prior_destroy(&prior, test_gpu(state));
}

/* EDM's preconditioning in double: eps = (x_ve - c_skip x_ve - c_out F(c_in x_ve)) / rho, F the raw output. */
static void test_precondition(void **state) {
    enum { PIXELS = COUNT / N };
    pnb_error *err = test_err(state);
    pnb_prior *prior = small_song_prior(test_gpu(state), err, "edm");
    const pnb_schedule *s = pnb_prior_schedule(prior);
    rig r = rig_open(state);
    pnb_level level = rig_level(&r, s, T, N);
    pnb_shape shape = pnb_shape4(N, C, H, W);
    pnb_tensor x = rig_normal_input(&r, "x", shape, 31), raw, eps;
    TEST_OK(err, pnb_prior_eps(prior, r.g, x, level, &(pnb_eps_params){.label = PNB_NONE, .raw = true}, &raw));
    TEST_OK(err, pnb_prior_eps(prior, r.g, x, level, NULL, &eps));
    rig_output(&r, raw);
    rig_output(&r, eps);
    rig_run(&r);
    float *f = rig_read(&r, raw), *got = rig_read(&r, eps), *in = rig_normal(31, COUNT), want[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        double rho = s->rho[T[i / PIXELS]], ve = in[i] / s->alpha[T[i / PIXELS]], d2 = 0.25, v = rho * rho + d2;
        double denoised = d2 / v * ve + rho * 0.5 / sqrt(v) * f[i];
        want[i] = (float)((ve - denoised) / rho);
    }
    assert_true(relative_error(got, want, COUNT, 0) <= 1e-5);
    free(f);
    free(got);
    free(in);
    rig_close(&r);
    pnb_prior_destroy(&prior, test_gpu(state));
}

/* Wrapped under "model.", half precision, and without a word of metadata. */
static void test_prefix(void **state) {
    char path[128], names[512][PNB_UNET_NAME_SIZE + 8];
    pnb_adm_config c = small_adm();
    adm_file *f = adm_file_create(&c);
    for (size_t i = 0; i < f->count; i++) {
        snprintf(names[i], sizeof names[i], "model.%s", f->names[i]);
        f->items[i].name = names[i];
    }
    temporary("prefix.safetensors", path);
    assert_int_equal(pnb_safetensors_write(NULL, path, PNB_F16, f->items, f->count, NULL, 0), PNB_OK);
    pnb_prior *prior;
    TEST_OK(test_err(state), pnb_prior_load(test_err(state), path, &prior));
    assert_non_null(pnb_store_find(pnb_prior_store(prior), "middle_block.1.qkv.weight"));
    assert_non_null(strstr(pnb_prior_describe(prior), "(assumed)"));
    assert_int_equal(pnb_prior_size_hint(prior), 0);
    pnb_prior_destroy(&prior, NULL);
    unlink(path);
    adm_file_destroy(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derivative),   cmocka_unit_test(test_checkpoint),       cmocka_unit_test(test_raw),
        cmocka_unit_test(test_half),
        cmocka_unit_test(test_padding),      cmocka_unit_test(test_facts_and_shapes), cmocka_unit_test(test_classes),
        cmocka_unit_test(test_bad_files),    cmocka_unit_test(test_prefix),           cmocka_unit_test(test_song_facts),
        cmocka_unit_test(test_precondition),
    };
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}
