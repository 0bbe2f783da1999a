/* The op that makes batches against the same arithmetic on the host: which image, mirrored how, enlarged by what. */
#include "device.h"

#include "base/philox.h"
#include "graph/graph.h"
#include "solve/step_state.h"
#include "train/batch.h"
#include "train/batch_push.h"

#include <math.h>
#include <string.h>

enum { N = 23, FIRST = 9, BATCH = 12, C = 2, H = 6, W = 5, IMAGE = C * H * W, DRAW = 7, STREAM = 3 };
static const uint64_t SEED = 0x123456789abull;

static float images[N * IMAGE];

static double pixel(const float *plane, int i, int j) {
    i = i < 0 ? 0 : i >= H ? H - 1 : i;
    j = j < 0 ? 0 : j >= W ? W - 1 : j;
    return (double)plane[i * W + j];
}

static double between(const float *plane, double row, double column) {
    int i = (int)floor(row), j = (int)floor(column);
    double u = row - i, v = column - j;
    return (1 - u) * ((1 - v) * pixel(plane, i, j) + v * pixel(plane, i, j + 1)) +
           u * ((1 - v) * pixel(plane, i + 1, j) + v * pixel(plane, i + 1, j + 1));
}

/* Image n of a batch; words as the kernel draws them. */
static void reference(const pnb_batch *q, uint32_t n, double *out) {
    uint32_t words[4], counter[4] = {n, DRAW, STREAM, 0}, key[2] = {(uint32_t)SEED, (uint32_t)(SEED >> 32)};
    pnb_philox(counter, key, words);
    bool in_order = q->flags & PNB_BATCH_IN_ORDER;
    uint32_t k = in_order ? ((DRAW - 1) * BATCH + n) % N : (uint32_t)((uint64_t)words[0] * N >> 32);
    double zoom = (double)q->zoom_low + (double)(q->zoom_high - q->zoom_low) * (double)pnb_uniform(words[2]);
    if (in_order) zoom = 1;
    for (int c = 0; c < C; c++)
        for (int i = 0; i < H; i++)
            for (int j = 0; j < W; j++) {
                int y = !in_order && (q->flags & PNB_BATCH_FLIP_Y) && (words[1] & 2) ? H - 1 - i : i;
                int x = !in_order && (q->flags & PNB_BATCH_FLIP_X) && (words[1] & 1) ? W - 1 - j : j;
                double row = 0.5 * (H - 1) + (y - 0.5 * (H - 1)) / zoom, column = 0.5 * (W - 1) + (x - 0.5 * (W - 1)) / zoom;
                out[(c * H + i) * W + j] = between(images + (k * C + (uint32_t)c) * H * W, row, column);
            }
}

static void check(void **state, pnb_batch q, double tolerance) {
    pnb_gpu *gpu = test_gpu(state);
    pnb_error *err = test_err(state);
    pnb_store *store;
    pnb_graph *g;
    pnb_program *p;
    pnb_storage *s[4];
    pnb_tensor t[4];
    float values[PNB_STATE_SIZE] = {0}, got[BATCH * IMAGE];
    uint32_t draw = DRAW;
    const pnb_shape shapes[] = {pnb_shape1(PNB_STATE_SIZE), pnb_shape4(FIRST, C, H, W), pnb_shape4(N - FIRST, C, H, W),
                                pnb_shape4(BATCH, C, H, W)};
    static const char *const names[] = {"state", "a", "b", "batch"};
    TEST_OK(err, pnb_store_create(err, "batch", &store));
    TEST_OK(err, pnb_graph_create(err, gpu, "batch", &g));
    for (int i = 0; i < 4; i++) {
        pnb_storage_kind kind = i == 1 || i == 2 ? PNB_STORAGE_FROZEN : PNB_STORAGE_VARIABLE;
        TEST_OK(err, pnb_store_add(store, names[i], shapes[i], kind, &s[i]));
        TEST_OK(err, pnb_graph_bind(g, s[i], &t[i]));
    }
    TEST_OK(err, pnb_store_commit(store, gpu));
    memcpy(&values[PNB_STATE_DRAW], &draw, sizeof draw);
    TEST_OK(err, pnb_storage_write(s[0], gpu, values, PNB_STATE_SIZE));
    TEST_OK(err, pnb_storage_write(s[1], gpu, images, FIRST * IMAGE));
    TEST_OK(err, pnb_storage_write(s[2], gpu, images + FIRST * IMAGE, (N - FIRST) * IMAGE));
    TEST_OK(err, pnb_batch_draw(g, t[0], &t[1], 2, q, t[3]));
    TEST_OK(err, pnb_program_create(g, gpu, NULL, &p));
    TEST_OK(err, pnb_program_run(p));
    TEST_OK(err, pnb_storage_read(s[3], gpu, got, BATCH * IMAGE));
    for (uint32_t n = 0; n < BATCH; n++) {
        double want[IMAGE];
        reference(&q, n, want);
        for (int e = 0; e < IMAGE; e++)
            if (fabs((double)got[n * IMAGE + (uint32_t)e] - want[e]) > tolerance)
                fail_msg("image %u, element %d: %f, expected %f", n, e, (double)got[n * IMAGE + (uint32_t)e], want[e]);
    }
    pnb_program_destroy(&p);
    pnb_graph_destroy(&g);
    pnb_store_destroy(&store, gpu);
}

static void test_copies(void **state) {
    check(state, (pnb_batch){SEED, STREAM, 0, 1, 1}, 0);
    check(state, (pnb_batch){SEED, STREAM, PNB_BATCH_FLIP_X, 1, 1}, 0);
    check(state, (pnb_batch){SEED, STREAM, PNB_BATCH_FLIP_X | PNB_BATCH_FLIP_Y, 1, 1}, 0);
    check(state, (pnb_batch){SEED, STREAM, PNB_BATCH_IN_ORDER | PNB_BATCH_FLIP_X, 0.5f, 2}, 0);
}

static void test_zoom(void **state) {
    check(state, (pnb_batch){SEED, STREAM, PNB_BATCH_FLIP_X | PNB_BATCH_FLIP_Y, 0.8f, 1.25f}, 1e-5);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_copies), cmocka_unit_test(test_zoom)};
    pnb_fill_normal(1, 1, 0, 0, images, N * IMAGE);
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}
