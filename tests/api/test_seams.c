/* Pictures larger than the prior, solved in tiles with a real prior: where tiles begin and end, neighbouring pixels differ as much as
 * they do anywhere else: over the many borders of 512 x 512 by themselves, and of an oblong picture, which has few, beside the same
 * problem solved as a whole. A chequerboard of two samples fails the same bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"
#include "io/npy.h"
#include "ops/ops.h"

#include <penumbra/penumbra.h>

#include <math.h>
#include <string.h>

enum { TILE = 64, OVERLAP = 8, MOST = 512 };
static const double BOUND = 1.05; /* of jumps at borders over jumps elsewhere */

#define OK(ctx, call)                                                                                                  \
    do {                                                                                                               \
        if ((call) != PNB_OK) fail_msg("%s: %s", #call, pnb_last_error(ctx));                                          \
    } while (0)

/* Bent fibres of about three pixels' width in [-1,1], all over the picture. */
static void write_truth(const char *path, uint32_t h, uint32_t w) {
    float *x = malloc((size_t)h * w * sizeof *x);
    pnb_error err = {0};
    assert_non_null(x);
    for (uint32_t i = 0; i < h * w; i++) {
        double r = i / w, c = i % w, light = 0;
        for (int k = 0; k < 3; k++) {
            double along = k == 0 ? r + 0.4 * c : k == 1 ? c - 0.3 * r : r - 0.8 * c, bend = 6 * sin(0.03 * (r + c) + k);
            light += exp(-pow(remainder(along + bend, 41 + 6 * k) / 2, 2) / 2);
        }
        x[i] = (float)(2 * fmin(light, 1) - 1);
    }
    assert_int_equal(pnb_npy_write(&err, path, 3, (uint64_t[]){1, h, w}, x), PNB_OK);
    free(x);
}

/* K samples of the picture of which a tenth is seen; to be freed. */
static float *solve(bool tiles, uint32_t k, uint32_t h, uint32_t w, uint32_t steps) {
    char truth[64], use[64] = "", text[1024];
    pnb_context *ctx = NULL;
    pnb_context_params params = PNB_CONTEXT_DEFAULTS;
    pnb_problem *problem;
    pnb_run *run;
    snprintf(truth, sizeof truth, "%s/truth.npy", folder);
    write_truth(truth, h, w);
    if (tiles) snprintf(use, sizeof use, ", \"tile\": %d, \"overlap\": %d", TILE, OVERLAP);
    snprintf(text, sizeof text,
             "{\"prior\": {\"file\": \"filaments.safetensors\"%s}, \"size\": [%u, %u], \"truth\": \"%s\", "
             "\"operator\": {\"type\": \"mask_random\", \"fraction\": 0.9}, \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.02}, "
             "\"method\": {\"type\": \"ddrm\", \"particles\": %u, \"steps\": %u}, \"seed\": 4}",
             use, h, w, truth, k, steps);
    float *x = malloc((size_t)k * h * w * sizeof *x);
    assert_non_null(x);
    params.cache_dir = "";
    params.memory_limit = (uint64_t)6 << 30; /* lavapipe says that it has 2 GiB, whatever the machine has */
    assert_int_equal(pnb_context_create(&params, &ctx), PNB_OK);
    OK(ctx, pnb_problem_parse(ctx, text, PNB_SOURCE_DIR "/assets", &problem));
    OK(ctx, pnb_run_create(problem, &run));
    OK(ctx, pnb_run_advance(run, 0, NULL, NULL));
    OK(ctx, pnb_run_samples(run, x));
    pnb_run_destroy(&run);
    pnb_problem_destroy(&problem);
    pnb_context_destroy(&ctx);
    return x;
}

/* Marks the lines between pixels, along a side, at which a tile begins or ends. */
static void mark_borders(uint32_t side, uint32_t tile, uint32_t tiles, bool *border) {
    memset(border, 0, MOST * sizeof *border);
    for (uint32_t a = 0; a < tiles; a++) {
        uint32_t begin = tiles > 1 ? a * (side - tile) / (tiles - 1) : 0; /* as tile.comp has it */
        if (begin > 0) border[begin] = true;
        if (begin + tile < side) border[begin + tile] = true;
    }
}

/* RMS(x[j] - x[j-1]) of each line of a picture: sums over those where a tile begins or ends, [1], and over the others, [0]. */
typedef struct jumps {
    double sum[2];
    uint32_t n[2];
} jumps;

static void add_jumps(const float *x, const pnb_tiling *t, bool rows, jumps *to) {
    uint32_t side = rows ? t->height : t->width, across = rows ? t->width : t->height, step = rows ? t->width : 1;
    bool border[MOST];
    mark_borders(side, rows ? t->tile_height : t->tile_width, rows ? t->rows : t->columns, border);
    for (uint32_t j = 1; j < side; j++) {
        double square = 0;
        for (uint32_t i = 0; i < across; i++) {
            uint32_t at = rows ? j * t->width + i : i * t->width + j;
            square += pow((double)x[at] - x[at - step], 2) / across;
        }
        to->sum[border[j]] += sqrt(square);
        to->n[border[j]]++;
    }
}

/* The mean jump at borders over that elsewhere, of k pictures, rows and columns. */
static double excess(const float *x, uint32_t k, const pnb_tiling *t) {
    jumps all = {{0, 0}, {0, 0}};
    for (uint32_t i = 0; i < 2 * k; i++) add_jumps(x + i / 2 * t->height * t->width, t, i % 2, &all);
    assert_true(all.n[0] > 0 && all.n[1] > 0 && all.sum[0] > 0);
    return all.sum[1] / all.n[1] / (all.sum[0] / all.n[0]);
}

static void test_large(void **state) {
    (void)state;
    pnb_tiling t;
    assert_int_equal(pnb_tiling_make(NULL, 512, 512, TILE, OVERLAP, &t), PNB_OK);
    float *x = solve(true, 1, 512, 512, 2);
    double e = excess(x, 1, &t);
    print_message("512 x 512: jumps at the borders of tiles are %.3f of those elsewhere\n", e);
    if (!(e <= BOUND)) fail_msg("a seam: %g, allowed %g", e, BOUND);
    free(x);
}

/* Two samples in tiles, the same as a whole, and a chequerboard of both that changes over where tiles begin: what tiles solved one by
 * one would look like. */
static void test_oblong(void **state) {
    enum { H = 100, W = 170 };
    (void)state;
    pnb_tiling t;
    assert_int_equal(pnb_tiling_make(NULL, H, W, TILE, OVERLAP, &t), PNB_OK);
    float *x = solve(true, 2, H, W, 8), *whole = solve(false, 2, H, W, 8);
    double e = excess(x, 2, &t), usual = excess(whole, 2, &t);
    for (uint32_t i = 0; i < H * W; i++) {
        uint32_t row = i / W * (t.rows - 1) / (H - TILE), column = i % W * (t.columns - 1) / (W - TILE);
        if ((row + column) % 2) x[i] = x[H * W + i];
    }
    double mixed = excess(x, 1, &t);
    print_message("100 x 170: %.3f in tiles, %.3f as a whole, %.3f mixed\n", e, usual, mixed);
    if (!(e <= BOUND * usual)) fail_msg("a seam: %g, the whole has %g", e, usual);
    assert_true(mixed > 1.2 * usual);
    free(x);
    free(whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_oblong), cmocka_unit_test(test_large)};
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
