/* Adapters: the prior unchanged at the start and on its own rows, gradients against finite differences, files. */
#include "device.h"

#include "prior/gmm_host.h"
#include "rig.h"

enum { N = 4, BEGIN = 2 };
static const uint32_t T[N] = {60, 500, 60, 500}; /* both halves alike */

/* A prior and its adapter on inputs whose two halves are the same bytes. */
typedef struct pair {
    rig r;
    pnb_prior *prior;
    pnb_adapter *adapter;
    pnb_shape shape;
    pnb_tensor plain, mixed; /* eps without and with the adapter */
    pnb_tensor cotangent;
    float *v;
    uint64_t count;
    double rounding; /* 0: the rows of the adapter's start are the prior's bytes */
} pair;

static pair pair_open(void **state, pnb_prior *prior, pnb_shape shape, const pnb_adapter_params *params) {
    pair p = {.r = rig_open(state), .prior = prior, .shape = shape, .count = pnb_shape_count(shape)};
    TEST_OK(p.r.err, pnb_adapter_create(p.r.err, prior, params, &p.adapter));
    TEST_OK(p.r.err, pnb_adapter_commit(p.adapter, p.r.gpu));
    pnb_level level = rig_level(&p.r, pnb_prior_schedule(prior), T, N);
    float *x = rig_normal(41, p.count);
    memcpy(x + p.count / 2, x, p.count / 2 * sizeof *x);
    p.v = rig_normal(42, p.count);
    pnb_tensor tx = rig_input(&p.r, "x", shape, x);
    p.cotangent = rig_input(&p.r, "v", shape, p.v);
    free(x);
    pnb_eps_params with = {.label = PNB_NONE, .adapter = p.adapter, .adapter_begin = BEGIN};
    TEST_OK(p.r.err, pnb_prior_eps(prior, p.r.g, tx, level, NULL, &p.plain));
    TEST_OK(p.r.err, pnb_prior_eps(prior, p.r.g, tx, level, &with, &p.mixed));
    rig_output(&p.r, p.plain);
    rig_output(&p.r, p.mixed);
    return p;
}

static void pair_close(pair *p) {
    rig_close(&p->r);
    pnb_adapter_destroy(&p->adapter, p->r.gpu);
    pnb_prior_destroy(&p->prior, p->r.gpu);
    free(p->v);
}

/* At the start everything is equal: the adapter's rows are the prior, bitwise. */
static void check_unchanged(pair *p) {
    float *plain = rig_read(&p->r, p->plain), *mixed = rig_read(&p->r, p->mixed);
    if (p->rounding > 0) {
        assert_true(relative_error(plain, mixed, p->count, 0) < p->rounding);
    } else {
        assert_memory_equal(mixed, mixed + p->count / 2, p->count / 2 * sizeof *mixed);
        assert_memory_equal(plain, mixed, p->count * sizeof *mixed);
    }
    free(plain);
    free(mixed);
}

/* After training: the first rows still are the prior, the others are not. */
static void check_first_rows(pair *p) {
    float *plain = rig_read(&p->r, p->plain), *mixed = rig_read(&p->r, p->mixed);
    if (p->rounding > 0) assert_true(relative_error(plain, mixed, p->count / 2, 0) < p->rounding);
    else assert_memory_equal(plain, mixed, p->count / 2 * sizeof *mixed);
    assert_true(relative_error(mixed + p->count / 2, plain + p->count / 2, p->count / 2, 0) > 1e-3);
    free(plain);
    free(mixed);
}

static void add_to_storage(pair *p, pnb_storage *s, const float *direction, float h) {
    uint64_t count = pnb_shape_count(pnb_storage_shape(s));
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    TEST_OK(p->r.err, pnb_storage_read(s, p->r.gpu, values, count));
    for (uint64_t i = 0; i < count; i++) values[i] += h * direction[i];
    TEST_OK(p->r.err, pnb_storage_write(s, p->r.gpu, values, count));
    free(values);
}

static void shake_all(pair *p, float size) {
    pnb_store *store = pnb_adapter_store(p->adapter);
    for (size_t i = 0; i < pnb_store_count(store); i++) {
        pnb_storage *s = pnb_store_at(store, i);
        float *d = rig_normal(300 + i, pnb_shape_count(pnb_storage_shape(s)));
        add_to_storage(p, s, d, size);
        free(d);
    }
}

static double objective(pair *p) {
    rig_run(&p->r);
    float *eps = rig_read(&p->r, p->mixed);
    double value = dot(eps, p->v, p->count);
    free(eps);
    return value;
}

/* Every tensor of the adapter: directional derivative by central differences against the gradient. */
static void check_gradients(pair *p, float h, double tolerance) {
    enum { MOST = 24 };
    pnb_store *store = pnb_adapter_store(p->adapter);
    size_t n = pnb_store_count(store), step = (n + MOST - 1) / MOST;
    pnb_tensor wrt[512], grad[512];
    assert_true(n <= 512);
    for (size_t i = 0; i < n; i++) TEST_OK(p->r.err, pnb_graph_bind(p->r.g, pnb_store_at(store, i), &wrt[i]));
    TEST_OK(p->r.err, pnb_graph_grad(p->r.g, &p->mixed, &p->cotangent, 1, wrt, n, grad));
    for (size_t i = 0; i < n; i++) rig_output(&p->r, grad[i]);
    rig_run(&p->r);
    check_unchanged(p);
    shake_all(p, 0.03f);
    rig_run(&p->r);
    check_first_rows(p);
    double worst = 0, largest = 0;
    float *gradients[512];
    for (size_t i = 0; i < n; i++) {
        uint64_t count = pnb_shape_count(pnb_graph_shape(p->r.g, grad[i]));
        gradients[i] = rig_read(&p->r, grad[i]);
        largest = fmax(largest, sqrt(dot(gradients[i], gradients[i], count)));
    }
    for (size_t i = 0; i < n; i += step) {
        pnb_storage *s = pnb_store_at(store, i);
        uint64_t count = pnb_shape_count(pnb_storage_shape(s));
        double size = sqrt(dot(gradients[i], gradients[i], count));
        float *d = malloc(count * sizeof *d);
        assert_non_null(d);
        for (uint64_t k = 0; k < count; k++)
            d[k] = (float)(gradients[i][k] / fmax(size, 1e-30)); /* steepest, of length 1 */
        add_to_storage(p, s, d, h);
        double up = objective(p);
        add_to_storage(p, s, d, -2 * h);
        double down = objective(p);
        add_to_storage(p, s, d, h);
        worst = fmax(worst, fabs((up - down) / (2 * h) - size) / fmax(size, 0.01 * largest));
        free(d);
    }
    for (size_t i = 0; i < n; i++) free(gradients[i]);
    print_message("adapter: %zu tensors, %llu parameters, worst gradient error %.1e\n", n,
                  (unsigned long long)pnb_store_bytes(store) / 4, worst);
    assert_true(worst <= tolerance);
}

static pnb_prior *mixture(pnb_gpu *gpu, pnb_error *err) {
    double w[2] = {1, 2}, m[4] = {1, 0.5, -1, 0}, c[8] = {0.1, 0.02, 0.02, 0.2, 0.3, 0, 0, 0.1};
    pnb_prior *p;
    TEST_OK(err, pnb_prior_create_gmm(err, 2, 2, w, m, c, &p));
    TEST_OK(err, pnb_prior_commit(p, gpu));
    return p;
}

static void test_lora(void **state) {
    pnb_prior *prior = small_adm_prior(test_gpu(state), test_err(state));
    pnb_adapter_params params = {.rank = 4, .scale = 0.7f, .targets = PNB_ADAPT_EXTENDED, .seed = 3};
    pair p = pair_open(state, prior, pnb_shape4(N, 2, 8, 12), &params);
    /* The differences are fp32: with half this step their rounding alone comes near the tolerance. */
    check_gradients(&p, 0.04f, 5e-3);
    pair_close(&p);
}

static void test_lora_song(void **state) {
    pnb_error *err = test_err(state);
    pnb_prior *prior = small_song_prior(test_gpu(state), err, "vp");
    pnb_adapter_params params = {.rank = 4, .scale = 0.7f, .targets = PNB_ADAPT_ATTENTION, .seed = 3};
    pnb_adapter *a;
    TEST_OK(err, pnb_adapter_create(err, prior, &params, &a));
    assert_int_equal(pnb_store_count(pnb_adapter_store(a)), 3 * 2 * 2); /* attentions, qkv and proj, Down and Up */
    assert_non_null(pnb_store_find(pnb_adapter_store(a), "dec.8x8_in0.proj.up"));
    pnb_adapter_destroy(&a, NULL);
    params.targets = PNB_ADAPT_EXTENDED;
    pair p = pair_open(state, prior, pnb_shape4(N, 2, 8, 12), &params);
    check_gradients(&p, 0.04f, 5e-3);
    pair_close(&p);
}

static void test_residual_mlp(void **state) {
    pnb_adapter_params params = {.hidden = 24, .depth = 3, .seed = 3};
    pair p = pair_open(state, mixture(test_gpu(state), test_err(state)), pnb_shape2(N, 2), &params);
    check_gradients(&p, 0.02f, 2e-3);
    pair_close(&p);
}

/* The file of a small MLP prior, two layers of 16. */
static void write_mlp(pnb_error *err, const char *path) {
    static const struct {
        const char *name;
        uint64_t out, in;
    } layers[] = {{"inp", 16, 2}, {"hid.0", 16, 16}, {"emb.0", 16, 16}, {"emb.1", 16, 16}, {"out", 2, 16}};
    pnb_safetensors_item items[10];
    pnb_safetensors_pair meta[] = {{"architecture", "mlp"}};
    char names[10][16];
    for (size_t i = 0; i < 10; i++) {
        bool bias = i & 1;
        snprintf(names[i], sizeof names[i], "%s.%s", layers[i / 2].name, bias ? "bias" : "weight");
        uint64_t out = layers[i / 2].out, in = layers[i / 2].in;
        items[i] = (pnb_safetensors_item){.name = names[i], .rank = bias ? 1 : 2, .shape = {out, bias ? 0 : in}};
        items[i].data = rig_normal(i, bias ? out : out * in);
    }
    TEST_OK(err, pnb_safetensors_write(err, path, PNB_F16, items, 10, meta, 1));
    for (size_t i = 0; i < 10; i++) free((void *)items[i].data);
}

static pnb_prior *mlp_prior(pnb_gpu *gpu, pnb_error *err) {
    char path[128];
    pnb_prior *prior;
    write_mlp(err, temporary("copy.safetensors", path));
    TEST_OK(err, pnb_prior_load(err, path, &prior));
    unlink(path);
    TEST_OK(err, pnb_prior_commit(prior, gpu));
    return prior;
}

/* An adapter's file is no prior. */
static void test_adapter_is_no_prior(void **state) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    char path[128];
    pnb_prior *base = mixture(gpu, err), *none;
    pnb_adapter *a;
    TEST_OK(err, pnb_adapter_create(err, base, &(pnb_adapter_params){.hidden = 16, .depth = 2, .seed = 8}, &a));
    TEST_OK(err, pnb_adapter_commit(a, gpu));
    TEST_OK(err, pnb_adapter_save(a, gpu, temporary("adapter.safetensors", path)));
    assert_int_equal(pnb_prior_load(err, path, &none), PNB_ERROR_MODEL);
    assert_non_null(strstr(err->message, "adapter"));
    unlink(path);
    pnb_adapter_destroy(&a, gpu);
    pnb_prior_destroy(&base, gpu);
}

static void test_copy(void **state) {
    pnb_prior *prior = mlp_prior(test_gpu(state), test_err(state));
    pair p = pair_open(state, prior, pnb_shape2(N, 2), &(pnb_adapter_params){.seed = 3});
    check_gradients(&p, 0.02f, 5e-3);
    pair_close(&p);
}

static void test_copy_of_a_unet(void **state) {
    pnb_prior *prior = small_adm_prior(test_gpu(state), test_err(state));
    pnb_adapter_params params = {.rank = 1, .scale = 1, .targets = PNB_ADAPT_COPY};
    pair p = pair_open(state, prior, pnb_shape4(N, 2, 8, 12), &params);
    p.rounding = 1e-5; /* frozen weights and trained ones may take different kernels */
    assert_int_equal(pnb_store_count(pnb_adapter_store(p.adapter)), pnb_store_count(pnb_prior_store(prior)));
    check_gradients(&p, 0.01f, 5e-3);
    pair_close(&p);
}

static void test_targets(void **state) {
    pnb_error *err = test_err(state);
    pnb_prior *prior = small_adm_prior(test_gpu(state), err);
    pnb_adapter *a;
    TEST_OK(err, pnb_adapter_create(err, prior,
                                    &(pnb_adapter_params){.rank = 8, .scale = 1, .targets = PNB_ADAPT_ATTENTION}, &a));
    /* one attention on the way down, one in the middle, two on the way up; qkv and proj_out; Down and Up */
    assert_int_equal(pnb_store_count(pnb_adapter_store(a)), 4 * 2 * 2);
    pnb_shape down = pnb_storage_shape(pnb_store_find(pnb_adapter_store(a), "middle_block.1.qkv.down"));
    pnb_shape up = pnb_storage_shape(pnb_store_find(pnb_adapter_store(a), "middle_block.1.qkv.up"));
    assert_true(pnb_shape_equal(down, pnb_shape4(8, 64, 1, 1)));
    assert_true(pnb_shape_equal(up, pnb_shape4(192, 8, 1, 1)));
    pnb_adapter_destroy(&a, NULL);
    pnb_adapter_destroy(&a, NULL);
    /* the rank is clipped to what a layer can have */
    TEST_OK(err, pnb_adapter_create(err, prior,
                                    &(pnb_adapter_params){.rank = 100, .scale = 1, .targets = PNB_ADAPT_EXTENDED}, &a));
    down = pnb_storage_shape(pnb_store_find(pnb_adapter_store(a), "input_blocks.3.0.skip_connection.down"));
    assert_true(pnb_shape_equal(down, pnb_shape4(32, 32, 1, 1)));
    down = pnb_storage_shape(pnb_store_find(pnb_adapter_store(a), "input_blocks.3.0.emb_layers.1.down"));
    assert_true(pnb_shape_equal(down, pnb_shape2(100, 128)));
    pnb_adapter_destroy(&a, NULL);
    assert_int_equal(pnb_adapter_create(err, prior, &(pnb_adapter_params){.rank = 0, .scale = 1}, &a), PNB_ERROR_USAGE);
    assert_null(a);
    assert_int_equal(pnb_adapter_create(err, prior, &(pnb_adapter_params){.rank = 4, .scale = NAN}, &a),
                     PNB_ERROR_USAGE);
    pnb_prior_destroy(&prior, test_gpu(state));
}

static void expect_refused(pnb_adapter *a, void **state, const char *path, const char *part) {
    pnb_error *err = test_err(state);
    pnb_status want = access(path, R_OK) == 0 ? PNB_ERROR_MODEL : PNB_ERROR_INPUT;
    assert_int_equal(pnb_adapter_load(a, test_gpu(state), path), want);
    if (!strstr(err->message, part)) fail_msg("expected '%s' in: %s", part, err->message);
}

static void test_files(void **state) {
    char path[128];
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    pnb_prior *prior = small_adm_prior(gpu, err);
    pnb_adapter_params params = {.rank = 4, .scale = 0.5f, .targets = PNB_ADAPT_EXTENDED, .seed = 1};
    pnb_adapter *a, *b, *c;
    TEST_OK(err, pnb_adapter_create(err, prior, &params, &a));
    TEST_OK(err, pnb_adapter_commit(a, gpu));
    params.seed = 2;
    TEST_OK(err, pnb_adapter_create(err, prior, &params, &b));
    temporary("adapter.safetensors", path);
    assert_int_equal(pnb_adapter_load(b, gpu, path), PNB_ERROR_USAGE); /* not committed */
    TEST_OK(err, pnb_adapter_commit(b, gpu));
    TEST_OK(err, pnb_adapter_save(a, gpu, path));
    TEST_OK(err, pnb_adapter_load(b, gpu, path));
    for (size_t i = 0; i < pnb_store_count(pnb_adapter_store(a)); i++) {
        pnb_storage *sa = pnb_store_at(pnb_adapter_store(a), i), *sb = pnb_store_at(pnb_adapter_store(b), i);
        uint64_t count = pnb_shape_count(pnb_storage_shape(sa));
        float *va = malloc(count * sizeof *va), *vb = malloc(count * sizeof *vb);
        assert_true(va && vb);
        TEST_OK(err, pnb_storage_read(sa, gpu, va, count));
        TEST_OK(err, pnb_storage_read(sb, gpu, vb, count));
        assert_memory_equal(va, vb, count * sizeof *va);
        free(va);
        free(vb);
    }
    params.scale = 0.25f;
    TEST_OK(err, pnb_adapter_create(err, prior, &params, &c));
    TEST_OK(err, pnb_adapter_commit(c, gpu));
    expect_refused(c, state, path, "expected the scale 0.25, found 0.5");
    pnb_adapter_destroy(&c, gpu);
    params.scale = 0.5f;
    params.rank = 3;
    TEST_OK(err, pnb_adapter_create(err, prior, &params, &c));
    TEST_OK(err, pnb_adapter_commit(c, gpu));
    expect_refused(c, state, path, "in_layers.2.down");
    pnb_adapter_destroy(&c, gpu);
    assert_int_equal(truncate(path, 5000), 0);
    expect_refused(b, state, path, path);
    unlink(path);
    expect_refused(b, state, path, path);
    pnb_adapter_destroy(&a, gpu);
    pnb_adapter_destroy(&b, gpu);
    pnb_prior_destroy(&prior, gpu);
}

static void test_misuse(void **state) {
    pnb_error *err = test_err(state);
    pnb_gpu *gpu = test_gpu(state);
    pnb_prior *prior = mixture(gpu, err), *other = mixture(gpu, err);
    pnb_adapter *a;
    assert_int_equal(pnb_adapter_create(err, prior, &(pnb_adapter_params){.hidden = 0, .depth = 3}, &a),
                     PNB_ERROR_USAGE);
    TEST_OK(err, pnb_adapter_create(err, prior, &(pnb_adapter_params){.hidden = 8, .depth = 1}, &a));
    TEST_OK(err, pnb_adapter_commit(a, gpu));
    rig r = rig_open(state);
    pnb_level level = rig_level(&r, pnb_prior_schedule(prior), T, N);
    pnb_tensor x = rig_normal_input(&r, "x", pnb_shape2(N, 2), 1), eps;
    pnb_eps_params params = {.label = PNB_NONE, .adapter = a, .adapter_begin = N};
    assert_int_equal(pnb_prior_eps(prior, r.g, x, level, &params, &eps), PNB_ERROR_USAGE);
    params.adapter_begin = 0;
    assert_int_equal(pnb_prior_eps(other, r.g, x, level, &params, &eps), PNB_ERROR_USAGE);
    TEST_OK(err, pnb_prior_eps(prior, r.g, x, level, &params, &eps)); /* all rows adapted */
    rig_close(&r);
    pnb_adapter_destroy(&a, gpu);
    pnb_prior_destroy(&prior, gpu);
    pnb_prior_destroy(&other, gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lora),    cmocka_unit_test(test_residual_mlp),
        cmocka_unit_test(test_copy), cmocka_unit_test(test_copy_of_a_unet),    cmocka_unit_test(test_adapter_is_no_prior),
        cmocka_unit_test(test_targets), cmocka_unit_test(test_files),
        cmocka_unit_test(test_misuse),  cmocka_unit_test(test_lora_song),
    };
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}
