/* Images larger than the prior: the tiled prediction is that of each tile alone, blended; of 512 x 512, of oblong sizes and of
 * several samples; its derivative; adapters; and tilings that are refused. */
#include "device.h"

#include "ops/ops.h"
#include "rig.h"

enum { C = 2, TILE = 16, OVERLAP = 4 };

static uint32_t begin_of(uint32_t a, uint32_t n, uint32_t side) {
    return n > 1 ? a * (side - TILE) / (n - 1) : 0;
}

static double ramp(uint32_t a, uint32_t n, uint32_t side, uint32_t size, uint32_t r) {
    uint32_t begin = begin_of(a, n, side);
    if (r < begin || r >= begin + size) return 0;
    double u = fmin((fmin(r - begin, begin + size - 1 - r) + 0.5) / OVERLAP, 1);
    return u * u * (3 - 2 * u);
}

static double weight(uint32_t a, uint32_t n, uint32_t side, uint32_t size, uint32_t r) {
    double sum = 0;
    for (uint32_t b = 0; b < n; b++) sum += ramp(b, n, side, size, r);
    return ramp(a, n, side, size, r) / sum;
}

/* eps of x [n,C,h,w] at times t; tiled or, where that fits, whole. */
static float *predict(void **state, pnb_prior *prior, uint32_t n, uint32_t h, uint32_t w, const uint32_t *t, const float *x,
                      const pnb_eps_params *params) {
    rig r = rig_open(state);
    pnb_level level = rig_level(&r, pnb_prior_schedule(prior), t, n);
    pnb_tensor in = rig_input(&r, "x", pnb_shape4(n, C, h, w), x), eps;
    TEST_OK(r.err, pnb_prior_eps(prior, r.g, in, level, params, &eps));
    rig_output(&r, eps);
    rig_run(&r);
    float *out = rig_read(&r, eps);
    rig_close(&r);
    return out;
}

/* Against the tiles by themselves, blended here: those of the first `most` rows and columns of tiles, and the pixels that only these
 * cover. */
static void check_size(void **state, pnb_prior *prior, uint32_t n, uint32_t h, uint32_t w, uint32_t most) {
    pnb_tiling t;
    pnb_error err = {0};
    TEST_OK(&err, pnb_tiling_make(&err, h, w, TILE, OVERLAP, &t));
    uint32_t rows = t.rows < most ? t.rows : most, columns = t.columns < most ? t.columns : most, tiles = rows * columns;
    uint32_t plane = t.tile_height * t.tile_width, count = n * C * h * w, all = n * tiles * C * plane;
    float *x = rig_normal(3, count), *cut = malloc(all * sizeof *cut);
    uint32_t *times = calloc(n * tiles, sizeof *times), first[4] = {40, 700, 500, 10};
    double *want = calloc(count, sizeof *want), worst = 0, top = 0;
    assert_true(cut && times && want);
    float *parts = NULL, *got = NULL;
    for (int pass = 0; pass < 2; pass++) { /* cut; then put together */
        for (uint32_t k = 0; k < all; k++) {
            uint32_t j = k % t.tile_width, i = k / t.tile_width % t.tile_height, c = k / plane % C, of = k / (plane * C);
            uint32_t a = of % tiles / columns, b = of % columns, r = begin_of(a, t.rows, h) + i, s = begin_of(b, t.columns, w) + j;
            uint32_t at = ((of / tiles * C + c) * h + r) * w + s;
            if (pass == 0) cut[k] = x[at];
            else want[at] += parts[k] * weight(a, t.rows, h, t.tile_height, r) * weight(b, t.columns, w, t.tile_width, s);
            times[of] = first[of / tiles];
        }
        TEST_OK(&err, pnb_prior_set_tiles(prior, pass ? TILE : 0, pass ? OVERLAP : 0));
        if (pass == 0) parts = predict(state, prior, n * tiles, t.tile_height, t.tile_width, times, cut, NULL);
        else got = predict(state, prior, n, h, w, first, x, NULL);
    }
    uint32_t bottom = rows < t.rows ? begin_of(rows, t.rows, h) : h, right = columns < t.columns ? begin_of(columns, t.columns, w) : w;
    for (uint32_t i = 0; i < count; i++) {
        if (i / w % h >= bottom || i % w >= right) continue;
        worst = fmax(worst, fabs(got[i] - want[i]));
        top = fmax(top, fabs(want[i]));
    }
    if (!(top > 0.1 && worst <= 2e-5 * top)) fail_msg("%u x %u: %u tiles, error %g of %g", h, w, tiles, worst, top);
    free(x), free(cut), free(times), free(want), free(parts), free(got);
}

static void test_sizes(void **state) {
    pnb_prior *prior = small_adm_prior(test_gpu(state), test_err(state));
    check_size(state, prior, 2, 52, 36, 100);
    check_size(state, prior, 1, 16, 45, 100);
    check_size(state, prior, 2, 29, 12, 100);
    check_size(state, prior, 1, 512, 512, 3);
    pnb_prior_destroy(&prior, test_gpu(state));
}

/* <v, (eps(x + h d) - eps(x - h d)) / 2h> against <J^T v, d>. */
static void test_derivative(void **state) {
    enum { H = 24, W = 20, COUNT = C * H * W };
    pnb_prior *prior = small_adm_prior(test_gpu(state), test_err(state));
    pnb_error err = {0};
    TEST_OK(&err, pnb_prior_set_tiles(prior, TILE, OVERLAP));
    const uint32_t t[1] = {300};
    float *x = rig_normal(5, COUNT), *v = rig_normal(6, COUNT), *d = rig_normal(7, COUNT), moved[COUNT];
    rig r = rig_open(state);
    pnb_level level = rig_level(&r, pnb_prior_schedule(prior), t, 1);
    pnb_shape shape = pnb_shape4(1, C, H, W);
    pnb_tensor in = rig_input(&r, "x", shape, x), cotangent = rig_input(&r, "v", shape, v), eps, gx;
    TEST_OK(r.err, pnb_prior_eps(prior, r.g, in, level, NULL, &eps));
    TEST_OK(r.err, pnb_graph_grad(r.g, &eps, &cotangent, 1, &in, 1, &gx));
    rig_output(&r, gx);
    rig_run(&r);
    float *gradient = rig_read(&r, gx);
    double slope = dot(gradient, d, COUNT), f[2];
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < COUNT; i++) moved[i] = x[i] + (side ? -0.02f : 0.02f) * d[i];
        float *e = predict(state, prior, 1, H, W, t, moved, NULL);
        f[side] = dot(e, v, COUNT);
        free(e);
    }
    double size = sqrt(dot(gradient, gradient, COUNT) * dot(d, d, COUNT));
    if (!(fabs((f[0] - f[1]) / 0.04 - slope) < 2e-3 * size)) fail_msg("%g by differences, %g", (f[0] - f[1]) / 0.04, slope);
    free(x), free(v), free(d), free(gradient);
    rig_close(&r);
    pnb_prior_destroy(&prior, test_gpu(state));
}

/* An adapter that is fresh changes nothing, of one sample as of its tiles. */
static void test_adapter(void **state) {
    enum { H = 24, W = 20, COUNT = 2 * C * H * W };
    pnb_prior *prior = small_adm_prior(test_gpu(state), test_err(state));
    pnb_error err = {0};
    pnb_adapter *adapter;
    TEST_OK(&err, pnb_prior_set_tiles(prior, TILE, OVERLAP));
    TEST_OK(&err, pnb_adapter_create(&err, prior, &(pnb_adapter_params){.rank = 2, .scale = 1, .targets = PNB_ADAPT_EXTENDED, .seed = 1},
                                     &adapter));
    TEST_OK(&err, pnb_adapter_commit(adapter, test_gpu(state)));
    const uint32_t t[2] = {40, 700};
    float *x = rig_normal(5, COUNT), *plain = predict(state, prior, 2, H, W, t, x, NULL);
    float *with = predict(state, prior, 2, H, W, t, x, &(pnb_eps_params){.label = PNB_NONE, .adapter = adapter, .adapter_begin = 1});
    assert_memory_equal(plain, with, COUNT * sizeof *x);
    free(x), free(plain), free(with);
    pnb_adapter_destroy(&adapter, test_gpu(state));
    pnb_prior_destroy(&prior, test_gpu(state));
}

static void test_refused(void **state) {
    pnb_prior *prior = small_adm_prior(test_gpu(state), test_err(state));
    pnb_tiling t;
    assert_int_equal(pnb_prior_set_tiles(prior, 15, 4), PNB_ERROR_INPUT);
    assert_non_null(strstr(test_err(state)->message, "tile 15 and overlap 4: expected a multiple of"));
    assert_int_equal(pnb_prior_set_tiles(prior, 16, 0), PNB_ERROR_INPUT);
    assert_int_equal(pnb_prior_set_tiles(prior, 16, 9), PNB_ERROR_INPUT);
    assert_int_equal(pnb_tiling_make(test_err(state), 10, 10, 0, 0, &t), PNB_ERROR_INPUT);
    pnb_prior_destroy(&prior, test_gpu(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_derivative), cmocka_unit_test(test_adapter),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}
