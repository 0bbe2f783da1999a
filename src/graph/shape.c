/* Shapes: construction, comparison, text. */
#include "graph/internal.h"

#include <stdio.h>

pnb_shape pnb_shape1(uint32_t a) { return (pnb_shape){1, {a, 1, 1, 1}}; }
pnb_shape pnb_shape2(uint32_t a, uint32_t b) { return (pnb_shape){2, {a, b, 1, 1}}; }
pnb_shape pnb_shape3(uint32_t a, uint32_t b, uint32_t c) { return (pnb_shape){3, {a, b, c, 1}}; }
pnb_shape pnb_shape4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) { return (pnb_shape){4, {a, b, c, d}}; }

uint64_t pnb_shape_count(pnb_shape s) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < s.rank && i < 4; i++) {
        if (s.d[i] && n > UINT64_MAX / s.d[i]) return UINT64_MAX;
        n *= s.d[i];
    }
    return n;
}

bool pnb_shape_equal(pnb_shape a, pnb_shape b) {
    if (a.rank != b.rank || a.rank > 4) return false;
    for (uint32_t i = 0; i < a.rank; i++) {
        if (a.d[i] != b.d[i]) return false;
    }
    return true;
}

const char *pnb_shape_text(pnb_shape s, char *buf) {
    size_t n = 0;
    buf[n++] = '[';
    for (uint32_t i = 0; i < s.rank && i < 4; i++) {
        n += (size_t)snprintf(buf + n, 48 - n, i ? ",%u" : "%u", s.d[i]);
    }
    snprintf(buf + n, 48 - n, "]");
    return buf;
}

uint64_t pnb_shape_bytes(pnb_shape s) { return pnb_round_up(4 * pnb_shape_count(s), 16); }

uint64_t pnb_tensor_bytes(const pnb_graph *g, pnb_tensor t) {
    uint64_t bytes = pnb_shape_bytes(g->tensors[t].shape);
    return g->tensors[t].half ? bytes / 2 : bytes;
}

pnb_status pnb_shape_check(pnb_error *err, const char *where, pnb_shape s) {
    if (s.rank < 1 || s.rank > 4) {
        return pnb_fail(err, PNB_ERROR_USAGE, "%s: a tensor has 1 to 4 dimensions, not %u", where, s.rank);
    }
    char text[48];
    uint64_t count = pnb_shape_count(s);
    if (count == 0) return pnb_fail(err, PNB_ERROR_USAGE, "%s: shape %s has no elements", where, pnb_shape_text(s, text));
    if (count > UINT32_MAX / 4) {
        return pnb_fail(err, PNB_ERROR_USAGE, "%s: shape %s has %llu elements, more than the 2^30 that one tensor can have", where,
                        pnb_shape_text(s, text), (unsigned long long)count);
    }
    return PNB_OK;
}

uint64_t pnb_round_up(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }
