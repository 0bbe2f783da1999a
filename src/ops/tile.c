/* tile and tile_blend: images cut into overlapping tiles, and put together again with weights that add up to 1. Each, with its weights
 * or without, is the other's transpose. */
#include "ops/tile.h"

#include "graph/op.h"
#include "ops/emit.h"
#include "ops/ops.h"
#include "ops/suite.h"

#include <math.h>

typedef struct attributes {
    pnb_tiling tiling;
    uint32_t ramp, channels;
    bool blend;
} attributes;

static uint32_t tiles_along(uint32_t side, uint32_t tile, uint32_t overlap) {
    return side <= tile ? 1 : (side - overlap + tile - overlap - 1) / (tile - overlap);
}

pnb_status pnb_tiling_make(pnb_error *err, uint32_t height, uint32_t width, uint32_t tile, uint32_t overlap, pnb_tiling *out) {
    if (tile == 0 || overlap == 0 || overlap > tile / 2)
        return pnb_fail(err, PNB_ERROR_INPUT, "tiles: expected an overlap of 1 to half of the tile, found %u of %u", overlap, tile);
    *out = (pnb_tiling){height, width, height < tile ? height : tile, width < tile ? width : tile, tiles_along(height, tile, overlap),
                        tiles_along(width, tile, overlap), overlap};
    return PNB_OK;
}

static pnb_status lower(pnb_lower *l, const pnb_node *node) {
    const attributes *a = (const attributes *)node->attr;
    const pnb_tiling *t = &a->tiling;
    pnb_push_tile push = {.count = pnb_emit_count(l, node->out[0]), .channels = a->channels, .height = t->height, .width = t->width,
                          .tile_height = t->tile_height, .tile_width = t->tile_width, .rows = t->rows, .columns = t->columns, .ramp = a->ramp};
    pnb_dispatch d = pnb_emit_begin(l, a->blend ? "ops/tile_blend" : "ops/tile", a->blend ? "tile_blend" : "tile");
    pnb_emit_read(&d, node->in[0], false);
    pnb_emit_write(&d, node->out[0]);
    pnb_emit_push(&d, &push, sizeof push);
    pnb_emit_spread(&d, l, push.count);
    d.gbyte = 8e-9 * push.count;
    return pnb_lower_emit(l, &d);
}

static pnb_status add(pnb_graph *g, attributes a, pnb_tensor in, pnb_tensor *out);

static pnb_status vjp(pnb_graph *g, const pnb_node *node, const pnb_tensor *gout, uint32_t want, pnb_tensor *gin) {
    attributes a = *(const attributes *)node->attr;
    if (!(want & 1) || gout[0] == PNB_NONE) return PNB_OK;
    a.blend = !a.blend;
    return add(g, a, gout[0], &gin[0]);
}

static const pnb_op op_tile = {.name = "tile", .vjp = vjp, .lower = lower};

static pnb_status add(pnb_graph *g, attributes a, pnb_tensor in, pnb_tensor *out) {
    const pnb_tiling *t = &a.tiling;
    pnb_shape s = pnb_graph_shape(g, in);
    uint32_t tiles = t->rows * t->columns, n = a.blend ? s.d[0] / tiles : s.d[0] * tiles;
    pnb_shape to = a.blend ? pnb_shape4(n, s.d[1], t->height, t->width) : pnb_shape4(n, s.d[1], t->tile_height, t->tile_width);
    a.channels = s.d[1];
    return pnb_graph_add(g, &op_tile, &in, 1, 0, &a, sizeof a, &to, 1, out, 1);
}

static pnb_status check(pnb_graph *g, const char *name, pnb_tensor x, uint32_t height, uint32_t width, uint32_t multiple) {
    char text[48];
    PNB_TRY(pnb_graph_check(g, name, "x", x));
    pnb_shape s = pnb_graph_shape(g, x);
    if (s.rank == 4 && s.d[2] == height && s.d[3] == width && s.d[0] % multiple == 0) return PNB_OK;
    return pnb_fail(pnb_graph_error(g), PNB_ERROR_INPUT, "%s: expects [N,C,%u,%u], N a multiple of %u, found %s", name, height, width, multiple,
                    pnb_shape_text(s, text));
}

pnb_status pnb_tile(pnb_graph *g, pnb_tensor x, const pnb_tiling *t, pnb_tensor *y) {
    PNB_TRY(check(g, "tile", x, t->height, t->width, 1));
    return add(g, (attributes){.tiling = *t}, x, y);
}

pnb_status pnb_tile_blend(pnb_graph *g, pnb_tensor y, const pnb_tiling *t, pnb_tensor *x) {
    PNB_TRY(check(g, "tile_blend", y, t->tile_height, t->tile_width, t->rows * t->columns));
    return add(g, (attributes){.tiling = *t, .ramp = t->overlap, .blend = true}, y, x);
}

/* ---- cases: arg = {blend, height, width, tile, overlap} ------------------------------------------------------------ */

static pnb_tiling tiling_of(const pnb_op_case *c) {
    pnb_error err;
    pnb_tiling t = {0};
    (void)pnb_tiling_make(&err, (uint32_t)c->arg[1], (uint32_t)c->arg[2], (uint32_t)c->arg[3], (uint32_t)c->arg[4], &t);
    return t;
}

static pnb_status build(pnb_graph *g, const pnb_op_case *c, const pnb_tensor *in, pnb_tensor *out) {
    pnb_tiling t = tiling_of(c);
    return c->arg[0] ? pnb_tile_blend(g, in[0], &t, out) : pnb_tile(g, in[0], &t, out);
}

static uint32_t begin_of(uint32_t a, uint32_t n, uint32_t side, uint32_t tile) {
    return n > 1 ? a * (side - tile) / (n - 1) : 0;
}

static double weight_of(uint32_t a, uint32_t n, uint32_t side, uint32_t tile, uint32_t ramp, uint32_t r) {
    double own = 0, sum = 0;
    for (uint32_t b = 0; b < n; b++) {
        uint32_t begin = begin_of(b, n, side, tile);
        if (r < begin || r >= begin + tile) continue;
        double u = fmin((fmin(r - begin, begin + tile - 1 - r) + 0.5) / ramp, 1), inside = u * u * (3 - 2 * u);
        sum += inside;
        if (b == a) own = inside;
    }
    return own / sum;
}

static void reference(const pnb_op_case *c, const double *const *in, double *out) {
    pnb_tiling t = tiling_of(c);
    uint32_t tiles = t.rows * t.columns, channels = c->in[0].d[1], n = c->arg[0] ? c->in[0].d[0] / tiles : c->in[0].d[0];
    size_t pixels = (size_t)n * channels * t.height * t.width;
    for (size_t i = 0; c->arg[0] && i < pixels; i++) out[i] = 0;
    for (uint32_t k = 0; k < n * tiles; k++) {
        uint32_t a = k % tiles / t.columns, b = k % t.columns;
        for (uint32_t ch = 0; ch < channels; ch++)
            for (uint32_t i = 0; i < t.tile_height; i++)
                for (uint32_t j = 0; j < t.tile_width; j++) {
                    uint32_t r = begin_of(a, t.rows, t.height, t.tile_height) + i, s = begin_of(b, t.columns, t.width, t.tile_width) + j;
                    size_t tile = (((size_t)k * channels + ch) * t.tile_height + i) * t.tile_width + j;
                    size_t whole = (((size_t)(k / tiles) * channels + ch) * t.height + r) * t.width + s;
                    if (!c->arg[0]) out[tile] = in[0][whole];
                    else out[whole] += in[0][tile] * weight_of(a, t.rows, t.height, t.tile_height, t.overlap, r) *
                                       weight_of(b, t.columns, t.width, t.tile_width, t.overlap, s);
                }
    }
}

static const pnb_op_case cases[] = {
    {.name = "cut 2x3 tiles", .n_in = 1, .in = {{4, {2, 3, 13, 20}}}, .arg = {0, 13, 20, 8, 2}},
    {.name = "cut, low image", .n_in = 1, .in = {{4, {1, 2, 5, 21}}}, .arg = {0, 5, 21, 8, 4}},
    {.name = "blend 2x3 tiles", .n_in = 1, .in = {{4, {12, 3, 8, 8}}}, .arg = {1, 13, 20, 8, 2}},
    {.name = "blend, more than two over a pixel", .n_in = 1, .in = {{4, {8, 1, 8, 8}}}, .arg = {1, 17, 12, 8, 4}},
    {.name = "blend, one tile", .n_in = 1, .in = {{4, {2, 1, 5, 6}}}, .arg = {1, 5, 6, 8, 4}},
};

const pnb_op_suite pnb_suite_tile = {"tile", cases, sizeof cases / sizeof cases[0], build, reference, .flops = NULL};
