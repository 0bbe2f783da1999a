/* Plans of transforms along one axis, and their tables of twiddles. */
#include "ops/fft_plan.h"

#include "ops/ops.h"

#include <math.h>
#include <stdio.h>

static const double PI = 3.14159265358979323846;

/* In shared memory: the most passes and bytes; the fewest invocations that fill a subgroup anywhere; as many lines of units side by
 * side as make up 64 bytes, and 32, below which memory is read for nothing. */
enum { SHARED_PASSES = 3, SHARED_BYTES = 32768, SHARED_LEAST_LOCAL = 64, SHARED_MOST_LOCAL = 256 };
enum { SHARED_COLUMNS = 4, SHARED_LEAST_COLUMNS = 2 };

/* 20 and more would need scratch memory on a GPU. On lavapipe, whose registers spill to a cache, a pass of 64 costs what one of 16 does.
 * SwiftShader's compiler takes half a minute for a radix of 12. */
enum { LARGEST = 16, LARGEST_LAVAPIPE = 64, LARGEST_CPU = 8 };

static const uint32_t radices[] = {2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 15, 16, 20, 24, 28, 32, 64};
enum { RADICES = sizeof radices / sizeof radices[0] };

pnb_fft_limits pnb_fft_limits_of(const pnb_gpu_caps *caps, bool shared) {
    uint32_t bytes = caps->shared_bytes < SHARED_BYTES ? caps->shared_bytes : SHARED_BYTES, local = SHARED_MOST_LOCAL;
    if (local > caps->max_local_size) local = caps->max_local_size;
    if (local > caps->max_local_size_x) local = caps->max_local_size_x;
    uint32_t largest = LARGEST;
    if (caps->is_cpu && !shared) largest = caps->prefer_texel ? LARGEST_LAVAPIPE : LARGEST_CPU; /* quirks.c */
    return (pnb_fft_limits){largest, shared ? bytes : 0, local};
}

static uint32_t twos(uint32_t n) {
    uint32_t count = 0;
    while (n % 2 == 0) {
        n /= 2;
        count++;
    }
    return count;
}

/* A pass reads and writes everything, and its arithmetic grows with the radix. */
static double pass_cost(uint32_t radix) { return 1 + radix / 128.0; }

/* The cheapest factors of `rest`, none with `most_twos` factors of 2 or more; returns their cost, INFINITY where there are none. */
static double search(uint32_t rest, uint32_t most_twos, uint32_t largest, uint32_t room, uint32_t *radix, uint32_t *count) {
    double best = INFINITY;
    if (rest == 1) {
        *count = 0;
        return 0;
    }
    for (uint32_t i = RADICES; i-- > 0 && room;) {
        uint32_t r = radices[i], found[PNB_FFT_MAX_PASSES], n;
        if (r > largest || rest % r || twos(r) >= most_twos) continue;
        double cost = pass_cost(r) + search(rest / r, most_twos, r, room - 1, found, &n);
        if (cost >= best) continue;
        best = cost;
        radix[0] = r;
        for (uint32_t k = 0; k < n; k++) radix[k + 1] = found[k];
        *count = n + 1;
    }
    return best;
}

bool pnb_fft_smooth(uint32_t n) {
    for (uint32_t f = 2; f <= 7; f++) {
        while (n % f == 0) n /= f;
    }
    return n == 1;
}

uint32_t pnb_fft_length(uint32_t least) {
    uint32_t best = 0, radix[PNB_FFT_MAX_PASSES], count;
    double lowest = INFINITY;
    for (uint32_t m = (least + 3) / 4 * 4; m < 2 * least + 8; m += 4) {
        if (!pnb_fft_smooth(m)) continue;
        double cost = m * search(m, twos(m), LARGEST, PNB_FFT_MAX_PASSES, radix, &count);
        if (cost >= lowest) continue;
        lowest = cost;
        best = m;
    }
    return best;
}

/* All passes in one dispatch, in shared memory, where lines fit there and enough of them fit side by side. */
static void share(const pnb_fft_limits *limits, pnb_fft_plan *p) {
    uint32_t least = p->kind == PNB_FFT_ACROSS ? SHARED_LEAST_COLUMNS : 1, width = p->kind == PNB_FFT_ACROSS ? SHARED_COLUMNS : 1;
    uint32_t units = p->kind == PNB_FFT_ACROSS ? p->inner / 2 : (p->outer + 1) / 2;
    if (p->count < 2 || p->count > SHARED_PASSES) return;
    uint32_t butterflies = p->n / p->radix[p->count - 1], line = p->n + (p->kind == PNB_FFT_ACROSS ? 0 : p->n / p->radix[0]);
    while (width < units && width * butterflies < SHARED_LEAST_LOCAL) width *= 2;
    while (width > 1 && (width * butterflies > limits->most_local || 16 * width * line > limits->shared_bytes)) width /= 2;
    if (width < least || width * butterflies > limits->most_local || 16 * width * line > limits->shared_bytes) return;
    p->width = width;
    p->line = line;
    p->local = width * butterflies;
}

/* Descending radices, an even one first: units along the axis need it. Rows that one radix or shared memory holds go by twos. */
void pnb_fft_make_plan(const pnb_fft_limits *limits, pnb_shape s, bool rows, pnb_fft_plan *p) {
    *p = (pnb_fft_plan){.outer = 1, .inner = rows ? 1 : s.d[s.rank - 2], .n = s.d[s.rank - (rows ? 2 : 3)]};
    for (uint32_t i = 0; i + (rows ? 2 : 3) < s.rank; i++) p->outer *= s.d[i];
    bool pairs = rows && p->n % 2 == 0 && p->outer > 1;
    p->kind = pairs ? PNB_FFT_PAIRS : !rows && p->inner % 2 == 0 ? PNB_FFT_ACROSS : PNB_FFT_SINGLE;
    (void)search(p->n, 32, limits->largest, PNB_FFT_MAX_PASSES, p->radix, &p->count);
    if (pairs && p->count == 1) return;
    if (limits->shared_bytes && p->count > 1 && p->kind != PNB_FFT_SINGLE) {
        share(limits, p);
        if (p->width) return;
    }
    p->kind = rows ? p->n % 4 == 0 ? PNB_FFT_ALONG : PNB_FFT_SINGLE : p->kind;
    (void)search(p->n, p->kind == PNB_FFT_ALONG ? twos(p->n) : 32, limits->largest, PNB_FFT_MAX_PASSES, p->radix, &p->count);
    for (uint32_t i = 1; i < p->count && p->radix[0] % 2; i++) {
        if (p->radix[i] % 2) continue;
        uint32_t even = p->radix[i];
        p->radix[i] = p->radix[0];
        p->radix[0] = even;
    }
}

uint32_t pnb_fft_dispatches(const pnb_fft_plan *p) { return p->width ? 1 : p->count; }

uint32_t pnb_fft_items(const pnb_fft_plan *p, uint32_t radix) {
    uint32_t lines = p->kind == PNB_FFT_PAIRS ? (p->outer + 1) / 2 : p->inner / 2;
    if (p->width) return (lines + p->width - 1) / p->width * (p->kind == PNB_FFT_PAIRS ? 1 : p->outer);
    if (p->kind == PNB_FFT_PAIRS) return lines;
    return (uint32_t)((uint64_t)p->outer * p->n * p->inner / (p->kind == PNB_FFT_SINGLE ? 1 : 2) / radix);
}

uint32_t pnb_fft_inner(const pnb_fft_plan *p) {
    if (p->kind == PNB_FFT_PAIRS) return p->outer;
    return p->kind == PNB_FFT_ACROSS ? p->inner / 2 : p->inner;
}

/* ---- twiddles: for every pass but the first, as the kernels read them ---------------------------------------------- */

uint32_t pnb_fft_table_size(const pnb_fft_plan *p, uint32_t i, uint32_t done) {
    if (i == 0) return 0;
    return p->kind == PNB_FFT_ALONG ? (p->radix[i] - 1) * done : done * (p->radix[i] + p->radix[i] % 2);
}

static void fill_twiddles(const void *user, float *values) {
    const pnb_fft_plan *p = user;
    for (uint32_t i = 0, done = 1; i < p->count; done *= p->radix[i++]) {
        uint32_t r = p->radix[i], padded = r + r % 2;
        for (uint32_t t = 0; t < done && i > 0; t++) {
            for (uint32_t k = 0; k < r; k++) {
                if (k == 0 && p->kind == PNB_FFT_ALONG) continue;
                double turn = -2 * PI * (double)((uint64_t)t * k) / ((double)done * r);
                float *at = values + 2 * (p->kind == PNB_FFT_ALONG ? (size_t)(k - 1) * done + t : (size_t)t * padded + k);
                at[0] = (float)cos(turn);
                at[1] = (float)sin(turn);
            }
        }
        values += 2 * (size_t)pnb_fft_table_size(p, i, done);
    }
}

pnb_status pnb_fft_bind_twiddles(pnb_graph *g, const pnb_fft_plan *p, pnb_tensor *table) {
    char name[128];
    uint32_t total = 0;
    int at = snprintf(name, sizeof name, "fft %u %s", p->n, p->kind == PNB_FFT_ALONG ? "along" : "across");
    for (uint32_t i = 0, done = 1; i < p->count; done *= p->radix[i++]) {
        total += pnb_fft_table_size(p, i, done);
        at += snprintf(name + at, sizeof name - (size_t)at, " %u", p->radix[i]);
    }
    *table = PNB_NONE;
    return total ? pnb_graph_table(g, name, pnb_shape2(total, 2), fill_twiddles, p, table) : PNB_OK;
}
