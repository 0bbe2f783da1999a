/* fft: Fourier transforms along the last axis, or the last two; batched, any length, forward and inverse.
 *
 * Lengths whose factors are 2, 3, 5, 7 take Stockham passes of radices up to 16, on lavapipe up to 64: a dispatch each
 * (shaders/ops/fft.comp), or all of an axis in one dispatch, in shared memory (fft_shared.comp); rows and columns alike, so that
 * nothing is transposed. Plans and twiddles are made in fft_plan.c. Other lengths n become a convolution of a length m >= 2n - 1
 * that has such factors (Bluestein): with c_j = exp(-pi i j^2 / n), X_k = c_k sum_j (x_j c_j) conj(c_(k-j)). Chirps and their
 * transforms are tables, computed in double here; j^2 is taken modulo 2n first.
 *
 * The map is F, and its derivative F^H: the transform of the other direction with the same factor in front. */
#include "ops/complex_mul.h"
#include "ops/emit.h"
#include "ops/fft_plan.h"
#include "ops/load.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double PI = 3.14159265358979323846;

enum { MAX_LENGTH = 1 << 24, CPU_LOCAL = 8 };

typedef struct attributes {
    uint32_t axes; /* bit 0: rows, along the last axis; bit 1: columns, along the last but one */
    uint32_t inverse;
    float scale;
    pnb_fft_limits limits;
} attributes;

/* ---- lowering ------------------------------------------------------------------------------------------------------ */

/* Names, storage buffers first, then texels; known: [along][first pass], for drivers that want the kind known when SPIR-V is made
 * (fft.comp says why). The first pass along the axis has an even radix. */
static const struct {
    uint32_t radix;
    const char *any[2], *known[2][2][2];
} kernels[] = {
#define BOTH(name) {"ops/fft.r" name, "ops/fft.r" name "_texel"}
#define RADIX(r) {r, BOTH(#r), {{{NULL}}}}
#define ODD(r) {r, BOTH(#r), {{BOTH(#r "_across"), BOTH(#r "_across_first")}, {BOTH(#r "_along"), {NULL}}}}
#define EVEN(r) {r, BOTH(#r), {{BOTH(#r "_across"), BOTH(#r "_across_first")}, {BOTH(#r "_along"), BOTH(#r "_along_first")}}}
    EVEN(2),   ODD(3),    EVEN(4),   ODD(5),    EVEN(6),   ODD(7),    EVEN(8),   RADIX(9),  RADIX(10),
    RADIX(12), RADIX(14), RADIX(15), RADIX(16), RADIX(20), RADIX(24), RADIX(28), RADIX(32), RADIX(64),
};

static const char *const *pass_kernel(const pnb_lower *l, const pnb_fft_plan *p, uint32_t radix, bool first) {
    uint32_t k = 0;
    bool along = p->kind == PNB_FFT_ALONG;
    while (kernels[k].radix != radix) k++;
    const char *const *known = kernels[k].known[along][first];
    return pnb_load_quad(l) && (along || p->kind == PNB_FFT_ACROSS) && known[0] ? known : kernels[k].any;
}

/* What the dispatches of a node go through: from the input, by turns through result and workspace, so that the last makes the result. */
typedef struct walk {
    pnb_lower *l;
    const pnb_node *node;
    pnb_tensor at;
    uint32_t left; /* dispatches */
    uint32_t inverse;
    float scale;
} walk;

/* The next dispatch: of these kernels, reading `table` too (PNB_NONE: the numbers a second time). */
static pnb_dispatch begin(walk *w, const pnb_fft_plan *p, uint32_t radix, const char *const shader[2], pnb_tensor table, uint32_t offset,
                          uint64_t levels) {
    pnb_tensor to = w->node->out[--w->left % 2], read = table == PNB_NONE ? w->at : table;
    double points = (double)p->outer * p->n * p->inner;
    pnb_push_fft push = {.items = pnb_fft_items(p, radix), .table = offset / 2, .scale = w->left ? 1 : w->scale};
    bool texel = pnb_emit_texel(w->l, w->at) && pnb_emit_texel(w->l, read);
    pnb_dispatch d = pnb_emit_begin(w->l, texel ? shader[1] : shader[0], shader[0] + 4);
    pnb_emit_spec(&d, p->kind);
    pnb_emit_spec(&d, w->inverse);
    pnb_emit_read(&d, w->at, texel);
    pnb_emit_read(&d, read, texel);
    pnb_emit_write(&d, to);
    pnb_emit_push(&d, &push, sizeof push);
    d.gflop = 5e-9 * log2((double)levels) * points;
    d.gbyte = 16e-9 * points;
    w->at = to;
    return d;
}

static pnb_status emit_pass(walk *w, const pnb_fft_plan *p, uint32_t i, uint32_t done, uint32_t offset, pnb_tensor table) {
    uint32_t radix = p->radix[i];
    pnb_dispatch d = begin(w, p, radix, pass_kernel(w->l, p, radix, done == 1), table, offset, radix);
    if (pnb_lower_caps(w->l)->is_cpu) d.spec[0] = CPU_LOCAL;
    pnb_emit_spec(&d, p->n / radix);
    pnb_emit_spec(&d, done);
    pnb_emit_spec(&d, pnb_fft_inner(p));
    pnb_emit_spread(&d, w->l, pnb_fft_items(p, radix));
    return pnb_lower_emit(w->l, &d);
}

/* All passes of an axis in one dispatch. */
static pnb_status emit_shared(walk *w, const pnb_fft_plan *p, pnb_tensor table) {
    static const char *const shader[] = {"ops/fft_shared.plain", "ops/fft_shared.texel"};
    pnb_dispatch d = begin(w, p, p->radix[0], shader, table, 0, p->n);
    d.spec[0] = p->local;
    pnb_emit_spec(&d, p->n);
    pnb_emit_spec(&d, pnb_fft_inner(p));
    pnb_emit_spec(&d, p->width);
    pnb_emit_spec(&d, p->line);
    pnb_emit_spec(&d, p->count);
    for (uint32_t i = 0; i < 3; i++) pnb_emit_spec(&d, i < p->count ? p->radix[i] : 1);
    pnb_emit_spec(&d, p->width * p->line);
    pnb_groups_1d(pnb_lower_caps(w->l), pnb_fft_items(p, p->radix[0]), 1, d.groups);
    return pnb_lower_emit(w->l, &d);
}

static pnb_status emit_axis(walk *w, const pnb_fft_plan *p, pnb_tensor table) {
    if (p->width) return emit_shared(w, p, table);
    for (uint32_t i = 0, done = 1, offset = 0; i < p->count; done *= p->radix[i++]) {
        PNB_TRY(emit_pass(w, p, i, done, offset, table));
        offset += pnb_fft_table_size(p, i, done);
    }
    return PNB_OK;
}

static pnb_status fft_lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)(const void *)node->attr;
    pnb_shape s = pnb_lower_shape(l, node->in[0]);
    walk w = {.l = l, .node = node, .at = node->in[0], .inverse = a->inverse, .scale = a->scale};
    pnb_fft_plan axis[2];
    for (uint32_t i = 0; i < 2; i++) {
        if (!(a->axes >> i & 1)) continue;
        pnb_fft_make_plan(&a->limits, s, i == 0, &axis[i]);
        w.left += pnb_fft_dispatches(&axis[i]);
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (a->axes >> i & 1) PNB_TRY(emit_axis(&w, &axis[i], node->in[1 + i]));
    }
    return PNB_OK;
}

/* ---- building ------------------------------------------------------------------------------------------------------ */

static pnb_status transform(pnb_graph *g, pnb_tensor x, const attributes *a, pnb_tensor *y);

static pnb_status fft_vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    attributes a = *(const attributes *)(const void *)node->attr;
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    a.inverse = !a.inverse;
    return transform(g, gout[0], &a, &gin[0]);
}

const pnb_op pnb_op_fft = {.name = "fft", .vjp = fft_vjp, .lower = fft_lower};

/* The only place that decides where passes meet: in memory, or, axes which fit there, in shared memory. On a GPU that saves most of the
 * traffic; on a CPU both are the same caches, and larger radices save more (measured on lavapipe). */
static pnb_fft_limits choose(pnb_graph *g, pnb_shape s, uint32_t axes) {
    static const char *const ways[] = {"passes", "shared"};
    const pnb_gpu_caps *caps = pnb_graph_caps(g);
    pnb_fft_limits passes = pnb_fft_limits_of(caps, false), shared = pnb_fft_limits_of(caps, true);
    uint32_t fits = 0, batch = 1;
    char key[96];
    for (uint32_t i = 0; i < 2; i++) {
        pnb_fft_plan p;
        if (!(axes >> i & 1)) continue;
        pnb_fft_make_plan(&shared, s, i == 0, &p);
        fits |= p.width;
    }
    if (!fits) return passes;
    for (uint32_t i = 0; i + 3 < s.rank; i++) batch *= s.d[i];
    snprintf(key, sizeof key, "fft a%u n%u %ux%u", axes, batch, s.d[s.rank - 3], s.d[s.rank - 2]);
    return pnb_graph_choose(g, key, ways, 2, !caps->is_cpu) ? shared : passes;
}

/* Axes of good lengths; chooses the limits. */
static pnb_status transform(pnb_graph *g, pnb_tensor x, const attributes *wanted, pnb_tensor *y) {
    pnb_shape s[2] = {pnb_graph_shape(g, x), pnb_graph_shape(g, x)};
    pnb_tensor in[3] = {x, PNB_NONE, PNB_NONE};
    attributes a = *wanted;
    uint32_t dispatches = 0;
    a.limits = choose(g, s[0], a.axes);
    for (uint32_t i = 0; i < 2; i++) {
        pnb_fft_plan p;
        if (!(a.axes >> i & 1)) continue;
        pnb_fft_make_plan(&a.limits, s[0], i == 0, &p);
        PNB_TRY(pnb_fft_bind_twiddles(g, &p, &in[1 + i]));
        dispatches += pnb_fft_dispatches(&p);
    }
    if (!dispatches && a.scale == 1) {
        *y = x;
        return PNB_OK;
    }
    if (!dispatches) return pnb_affine(g, x, a.scale, 0, y);
    return pnb_graph_add(g, &pnb_op_fft, in, 3, 0, &a, sizeof a, s, dispatches > 1 ? 2 : 1, y, 1);
}

/* ---- Bluestein ----------------------------------------------------------------------------------------------------- */

typedef struct chirp {
    uint32_t n, m;
    bool inverse;
} chirp;

static void chirp_at(const chirp *c, uint32_t j, double *re, double *im) {
    double turn = PI * (double)((uint64_t)j * j % (2 * (uint64_t)c->n)) / c->n;
    *re = cos(turn);
    *im = c->inverse ? sin(turn) : -sin(turn);
}

static void fill_chirp(const void *user, float *values) {
    const chirp *c = user;
    for (uint32_t j = 0; j < c->n; j++) {
        double re, im;
        chirp_at(c, j, &re, &im);
        values[2 * j] = (float)re;
        values[2 * j + 1] = (float)im;
    }
}

/* The transform of x [n] with `stride` between its entries to y, forward, by the smallest factor first; in double. */
static void host_fft(uint32_t n, const double *x, size_t stride, double *y, double *work) {
    uint32_t f = 2;
    while (f < n && n % f) f++;
    if (n <= 1) {
        y[0] = x[0];
        y[1] = x[1];
        return;
    }
    uint32_t rest = n / f;
    for (uint32_t i = 0; i < f; i++) host_fft(rest, x + 2 * i * stride, stride * f, y + 2 * (size_t)i * rest, work);
    for (uint32_t k = 0; k < n; k++) {
        double re = 0, im = 0;
        for (uint32_t i = 0; i < f; i++) {
            double turn = -2 * PI * (double)((uint64_t)i * k % n) / n, c = cos(turn), s = sin(turn);
            const double *part = y + 2 * ((size_t)i * rest + k % rest);
            re += part[0] * c - part[1] * s;
            im += part[0] * s + part[1] * c;
        }
        work[2 * k] = re;
        work[2 * k + 1] = im;
    }
    for (uint32_t k = 0; k < 2 * n; k++) y[k] = work[k];
}

/* The transform of conj(c), wrapped around m, over m. */
static void fill_kernel(const void *user, float *values) {
    const chirp *c = user;
    double *x = calloc(6 * (size_t)c->m, sizeof *x), *y = x + 2 * (size_t)c->m;
    for (uint32_t j = 0; x && j < c->n; j++) {
        double re, im;
        chirp_at(c, j, &re, &im);
        for (int side = 0; side < 2; side++) {
            uint32_t at = side && j ? c->m - j : j;
            x[2 * at] = re;
            x[2 * at + 1] = -im;
        }
    }
    if (x) host_fft(c->m, x, 1, y, y + 2 * (size_t)c->m);
    for (uint32_t k = 0; k < 2 * c->m; k++) values[k] = x ? (float)(y[k] / c->m) : NAN; /* without memory: seen, never believed */
    free(x);
}

static pnb_status bluestein(pnb_graph *g, pnb_tensor x, bool rows, bool inverse, float scale, pnb_tensor *y) {
    pnb_shape s = pnb_graph_shape(g, x);
    uint32_t axis = s.rank - (rows ? 2 : 3), n = s.d[axis];
    chirp c = {n, pnb_fft_length(2 * n - 1), inverse};
    attributes there = {.axes = rows ? 1 : 2, .inverse = 0, .scale = 1}, back = {.axes = there.axes, .inverse = 1, .scale = 1};
    char name[64];
    pnb_tensor table, kernel, t;
    snprintf(name, sizeof name, "fft chirp %u %d", n, inverse);
    PNB_TRY(pnb_graph_table(g, name, pnb_shape2(n, 2), fill_chirp, &c, &table));
    snprintf(name, sizeof name, "fft chirp %u %d kernel", n, inverse);
    PNB_TRY(pnb_graph_table(g, name, pnb_shape2(c.m, 2), fill_kernel, &c, &kernel));
    PNB_TRY(pnb_complex_mul_axis(g, x, table, axis, c.m, false, 1, &t));
    PNB_TRY(transform(g, t, &there, &t));
    PNB_TRY(pnb_complex_mul_axis(g, t, kernel, axis, c.m, false, 1, &t));
    PNB_TRY(transform(g, t, &back, &t));
    return pnb_complex_mul_axis(g, t, table, axis, n, false, scale, y);
}

/* ---- the op -------------------------------------------------------------------------------------------------------- */

static pnb_status check(pnb_graph *g, pnb_tensor x, uint32_t dims) {
    PNB_TRY(pnb_graph_check(g, "fft", "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    bool fits = (dims == 1 || dims == 2) && s.rank >= dims + 1 && s.d[s.rank - 1] == 2;
    for (uint32_t i = 0; fits && i < dims; i++) fits = s.d[s.rank - 2 - i] <= MAX_LENGTH;
    if (fits) return PNB_OK;
    char text[48];
    return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "fft: %u dimensions of at most %d and a last one of 2 (real, imaginary) are needed, x is %s",
                    dims, (int)MAX_LENGTH, pnb_shape_text(s, text));
}

pnb_status pnb_fft(pnb_graph *g, pnb_tensor x, uint32_t dims, bool inverse, bool unitary, pnb_tensor *y) {
    PNB_TRY(check(g, x, dims));
    pnb_shape s = pnb_graph_shape(g, x);
    attributes a = {.inverse = inverse, .scale = 1};
    double points = 1;
    for (uint32_t i = 0; i < dims; i++) {
        points *= s.d[s.rank - 2 - i];
        if (pnb_fft_smooth(s.d[s.rank - 2 - i])) a.axes |= 1u << i;
    }
    if (unitary) a.scale = (float)(1 / sqrt(points));
    else if (inverse) a.scale = (float)(1 / points);
    uint32_t others = ((1u << dims) - 1) & ~a.axes;
    for (uint32_t i = 0; i < dims; i++) { /* lengths with other factors first; whatever is last takes the factor in front */
        if (!(others >> i & 1)) continue;
        bool last = !a.axes && !(others >> (i + 1));
        PNB_TRY(bluestein(g, x, i == 0, inverse, last ? a.scale : 1, &x));
    }
    if (a.axes) return transform(g, x, &a, y);
    *y = x;
    return PNB_OK;
}

/* ---- real numbers ---------------------------------------------------------------------------------------------------- */

/* The shape of x with a last dimension of `last` more. */
static pnb_shape with_last(pnb_shape s, uint32_t last) {
    s.d[s.rank++] = last;
    return s;
}

pnb_status pnb_complex_of_real(pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    char text[48];
    PNB_TRY(pnb_graph_check(g, "fft", "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    if (s.rank > 3) return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "fft: real x must have rank 1 to 3, found %s", pnb_shape_text(s, text));
    PNB_TRY(pnb_graph_reshape(g, x, with_last(s, 1), &x));
    return pnb_embed(g, x, s.rank, 0, 2, y);
}

pnb_status pnb_real_of_complex(pnb_graph *g, pnb_tensor x, pnb_tensor *y) {
    PNB_TRY(pnb_graph_check(g, "fft", "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    PNB_TRY(pnb_slice(g, x, s.rank - 1, 0, 1, &x));
    s.d[--s.rank] = 1;
    return pnb_graph_reshape(g, x, s, y);
}

pnb_status pnb_fft_real(pnb_graph *g, pnb_tensor x, uint32_t dims, bool unitary, pnb_tensor *y) {
    PNB_TRY(pnb_complex_of_real(g, x, &x));
    PNB_TRY(pnb_fft(g, x, dims, false, unitary, &x));
    pnb_shape s = pnb_graph_shape(g, x);
    return pnb_slice(g, x, s.rank - 2, 0, s.d[s.rank - 2] / 2 + 1, y);
}

/* ---- cases: arg = {dimensions, inverse, unitary} ------------------------------------------------------------------- */

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    return pnb_fft(g, in[0], (uint32_t)c->arg[0], c->arg[1], c->arg[2], out);
}

/* The definition along the middle of [outer, n, inner], in place. */
static void dft(double *x, size_t outer, size_t n, size_t inner, double sign, double scale) {
    double *y = malloc(4 * n * sizeof *y), *roots = y + 2 * n;
    for (size_t k = 0; y && k < n; k++) {
        roots[2 * k] = cos(2 * PI * (double)k / (double)n);
        roots[2 * k + 1] = sign * sin(2 * PI * (double)k / (double)n);
    }
    for (size_t o = 0; y && o < outer * inner; o++) {
        double *line = x + 2 * (o / inner * n * inner + o % inner);
        for (size_t k = 0; k < n; k++) {
            double re = 0, im = 0;
            for (size_t j = 0, at = 0; j < n; j++, at = at + k < n ? at + k : at + k - n) {
                const double *v = line + 2 * j * inner;
                re += v[0] * roots[2 * at] - v[1] * roots[2 * at + 1];
                im += v[0] * roots[2 * at + 1] + v[1] * roots[2 * at];
            }
            y[2 * k] = re;
            y[2 * k + 1] = im;
        }
        for (size_t k = 0; k < n; k++) {
            line[2 * k * inner] = scale * y[2 * k];
            line[2 * k * inner + 1] = scale * y[2 * k + 1];
        }
    }
    free(y);
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    pnb_shape s = c->in[0];
    size_t count = pnb_shape_count(s), inner = 1;
    for (size_t i = 0; i < count; i++) out[i] = in[0][i];
    for (int i = 0; i < c->arg[0]; i++) {
        size_t n = s.d[s.rank - 2 - (uint32_t)i];
        double scale = c->arg[2] ? 1 / sqrt((double)n) : c->arg[1] ? 1 / (double)n : 1;
        dft(out, count / 2 / n / inner, n, inner, c->arg[1] ? 1 : -1, scale);
        inner *= n;
    }
}

#define SQUARE(n) {.name = "n1 " #n "x" #n, .n_in = 1, .in = {{4, {1, n, n, 2}}}, .arg = {2}, .bench = true, .timed_only = n > 96 && n != 256}
#define BATCH(n) {.name = "n8 " #n "x" #n, .n_in = 1, .in = {{4, {8, n, n, 2}}}, .arg = {2}, .bench = true, .timed_only = n > 64}

static const pnb_op_case cases[] = {
    {.name = "4", .n_in = 1, .in = {{3, {1, 4, 2, 1}}}, .arg = {1}},
    {.name = "n3 1", .n_in = 1, .in = {{3, {3, 1, 2, 1}}}, .arg = {1}},
    {.name = "n2 2 inverse", .n_in = 1, .in = {{3, {2, 2, 2, 1}}}, .arg = {1, 1}},
    {.name = "n3 15", .n_in = 1, .in = {{3, {3, 15, 2, 1}}}, .arg = {1}},
    {.name = "n2 7 inverse", .n_in = 1, .in = {{3, {2, 7, 2, 1}}}, .arg = {1, 1}},
    {.name = "n2 24 inverse unitary", .n_in = 1, .in = {{3, {2, 24, 2, 1}}}, .arg = {1, 1, 1}},
    {.name = "n2 8x8", .n_in = 1, .in = {{4, {2, 8, 8, 2}}}, .arg = {2}},
    {.name = "6x10 inverse", .n_in = 1, .in = {{4, {1, 6, 10, 2}}}, .arg = {2, 1}},
    {.name = "n2 9x5 unitary", .n_in = 1, .in = {{4, {2, 9, 5, 2}}}, .arg = {2, 0, 1}},
    {.name = "n2 12x20", .n_in = 1, .in = {{4, {2, 12, 20, 2}}}, .arg = {2}},
    {.name = "n3 64", .n_in = 1, .in = {{3, {3, 64, 2, 1}}}, .arg = {1}},
    {.name = "n2 28x24 inverse unitary", .n_in = 1, .in = {{4, {2, 28, 24, 2}}}, .arg = {2, 1, 1}},
    {.name = "n3 20 inverse", .n_in = 1, .in = {{3, {3, 20, 2, 1}}}, .arg = {1, 1}},
    {.name = "n2 3x4", .n_in = 1, .in = {{4, {2, 3, 4, 2}}}, .arg = {2}},
    {.name = "n2 5x6 inverse", .n_in = 1, .in = {{4, {2, 5, 6, 2}}}, .arg = {2, 1}},
    {.name = "7x2 unitary", .n_in = 1, .in = {{4, {1, 7, 2, 2}}}, .arg = {2, 0, 1}},
    {.name = "16x6", .n_in = 1, .in = {{4, {1, 16, 6, 2}}}, .arg = {2}},
    {.name = "32x64 inverse", .n_in = 1, .in = {{4, {1, 32, 64, 2}}}, .arg = {2, 1}},
    {.name = "n3 20x36 inverse", .n_in = 1, .in = {{4, {3, 20, 36, 2}}}, .arg = {2, 1}},
    {.name = "n3 96x60 inverse unitary", .n_in = 1, .in = {{4, {3, 96, 60, 2}}}, .arg = {2, 1, 1}, .bench = true},
    {.name = "n2 512x6", .n_in = 1, .in = {{4, {2, 512, 6, 2}}}, .arg = {2}, .bench = true},
    {.name = "n3 1024 inverse", .n_in = 1, .in = {{3, {3, 1024, 2, 1}}}, .arg = {1, 1}, .bench = true},
    {.name = "1024x4 inverse", .n_in = 1, .in = {{4, {1, 1024, 4, 2}}}, .arg = {2, 1}, .bench = true},
    {.name = "1080x4", .n_in = 1, .in = {{4, {1, 1080, 4, 2}}}, .arg = {2}, .bench = true},
    {.name = "n2 2160 unitary", .n_in = 1, .in = {{3, {2, 2160, 2, 1}}}, .arg = {1, 0, 1}, .bench = true},
    {.name = "11x13, Bluestein", .n_in = 1, .in = {{4, {1, 11, 13, 2}}}, .arg = {2}},
    {.name = "n2 17x8 inverse, Bluestein", .n_in = 1, .in = {{4, {2, 17, 8, 2}}}, .arg = {2, 1}},
    {.name = "n2 4x61 unitary, Bluestein", .n_in = 1, .in = {{4, {2, 4, 61, 2}}}, .arg = {2, 0, 1}},
    {.name = "n2 1000", .n_in = 1, .in = {{3, {2, 1000, 2, 1}}}, .arg = {1}, .bench = true},
    {.name = "5040", .n_in = 1, .in = {{3, {1, 5040, 2, 1}}}, .arg = {1}, .bench = true},
    {.name = "4099, Bluestein", .n_in = 1, .in = {{3, {1, 4099, 2, 1}}}, .arg = {1}, .bench = true},
    SQUARE(64), BATCH(64), SQUARE(128), BATCH(128), SQUARE(256), BATCH(256), SQUARE(512), BATCH(512), SQUARE(1024), BATCH(1024),
    SQUARE(96), SQUARE(144), SQUARE(160), SQUARE(224), SQUARE(240), SQUARE(384), SQUARE(400), SQUARE(448), SQUARE(480),
};

static double flops(const pnb_op_case *c) {
    double points = (double)pnb_shape_count(c->in[0]) / 2, each = 1;
    for (int i = 0; i < c->arg[0]; i++) each *= c->in[0].d[c->in[0].rank - 2 - (uint32_t)i];
    return 5 * points * log2(each);
}

const pnb_op_suite pnb_suite_fft = {"fft", cases, sizeof cases / sizeof cases[0], build, reference, .flops = flops};
