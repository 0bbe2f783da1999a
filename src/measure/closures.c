/* Minimal sets by elimination: a candidate is taken where its row of +1 and -1 over the baselines is no combination of
 * those that were taken before. */
#include "measure/closures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = PNB_CLOSURE_MAX_STATIONS, EDGES = MOST * (MOST - 1) / 2, NO_RECORD = -1 };

/* One time: its stations, the reference first, and the record of each baseline. */
typedef struct scene {
    uint32_t n, station[MOST];
    int edge[MOST][MOST];   /* position among the edges; NO_RECORD: there is no such baseline */
    uint32_t record[EDGES]; /* of each edge */
    uint32_t edges;
} scene;

/* The rows that were taken, each reduced by those before and scaled to 1 at its pivot. */
typedef struct basis {
    uint32_t rank, edges;
    uint32_t pivot[EDGES];
    double *rows; /* [edges][edges] */
} basis;

static bool take(basis *b, const int *edges, const int *signs, int n) {
    double *row = b->rows + (size_t)b->rank * b->edges;
    if (b->rank == b->edges) return false;
    memset(row, 0, b->edges * sizeof *row);
    for (int i = 0; i < n; i++) row[edges[i]] += signs[i];
    for (uint32_t r = 0; r < b->rank; r++) {
        const double *old = b->rows + (size_t)r * b->edges;
        double factor = row[b->pivot[r]];
        for (uint32_t e = 0; factor != 0 && e < b->edges; e++) row[e] -= factor * old[e];
    }
    uint32_t best = 0;
    for (uint32_t e = 1; e < b->edges; e++) best = fabs(row[e]) > fabs(row[best]) ? e : best;
    if (fabs(row[best]) < 1e-9) return false;
    double scale = 1 / row[best];
    for (uint32_t e = 0; e < b->edges; e++) row[e] *= scale;
    b->pivot[b->rank++] = best;
    return true;
}

/* ---- one time --------------------------------------------------------------------------------------------------- */

static uint32_t place_of(scene *s, uint32_t station) {
    uint32_t i = 0;
    while (i < s->n && s->station[i] != station) i++;
    if (i == s->n && s->n < MOST) s->station[s->n++] = station;
    return i;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Stations in their order, but the one of the highest summed signal-to-noise ratio first. */
static bool order_stations(scene *s, const pnb_uv_record *r, uint32_t count) {
    double snr[MOST] = {0};
    for (uint32_t i = 0; i < count; i++) {
        for (int e = 0; e < 2; e++) {
            if (place_of(s, r[i].station[e]) == MOST) return false;
        }
    }
    qsort(s->station, s->n, sizeof s->station[0], ascending);
    for (uint32_t i = 0; i < count; i++) {
        for (int e = 0; e < 2; e++) snr[place_of(s, r[i].station[e])] += hypot(r[i].re, r[i].im) / r[i].sigma;
    }
    uint32_t best = 0;
    for (uint32_t i = 1; i < s->n; i++) best = snr[i] > snr[best] ? i : best;
    uint32_t reference = s->station[best];
    memmove(s->station + 1, s->station, best * sizeof s->station[0]);
    s->station[0] = reference;
    return true;
}

static bool set_scene(scene *s, const pnb_uvdata *d, uint32_t first, uint32_t count) {
    s->n = s->edges = 0;
    if (!order_stations(s, d->records + first, count)) return false;
    for (int i = 0; i < MOST; i++) {
        for (int k = 0; k < MOST; k++) s->edge[i][k] = NO_RECORD;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t a = place_of(s, d->records[first + i].station[0]), b = place_of(s, d->records[first + i].station[1]);
        if (s->edge[a][b] != NO_RECORD) continue; /* the same baseline twice at one time: the first counts */
        s->record[s->edges] = first + i;
        s->edge[a][b] = s->edge[b][a] = (int)s->edges++;
    }
    return true;
}

/* ---- triangles -------------------------------------------------------------------------------------------------- */

/* V_ab V_bc conj(V_ac) for stations in ascending order, as records are. */
static bool try_triangle(const scene *s, basis *b, uint32_t i, uint32_t j, uint32_t k, pnb_closures *out) {
    uint32_t t[3] = {i, j, k};
    for (int pass = 0; pass < 2; pass++) {
        for (int e = 0; e < 2; e++) {
            if (s->station[t[e]] <= s->station[t[e + 1]]) continue;
            uint32_t kept = t[e];
            t[e] = t[e + 1];
            t[e + 1] = kept;
        }
    }
    const int edges[3] = {s->edge[t[0]][t[1]], s->edge[t[1]][t[2]], s->edge[t[0]][t[2]]}, signs[3] = {1, 1, -1};
    if (edges[0] == NO_RECORD || edges[1] == NO_RECORD || edges[2] == NO_RECORD || !take(b, edges, signs, 3))
        return false;
    uint32_t *to = out->triangles[out->n_triangles++];
    for (int e = 0; e < 3; e++) to[e] = s->record[edges[e]];
    return true;
}

static void find_triangles(const scene *s, basis *b, pnb_closures *out) {
    uint32_t most = s->edges + 1 > s->n ? s->edges + 1 - s->n : 0; /* of a connected array */
    b->rank = 0;
    b->edges = s->edges;
    for (uint32_t i = 0; i + 2 < s->n; i++) { /* i = 0: those with the reference, all independent */
        for (uint32_t j = i + 1; j + 1 < s->n; j++) {
            for (uint32_t k = j + 1; k < s->n && b->rank < most; k++) try_triangle(s, b, i, j, k, out);
        }
    }
}

/* ---- quadrangles ------------------------------------------------------------------------------------------------ */

/* |V_ij| |V_kl| / (|V_ik| |V_jl|) */
static bool try_quadrangle(const scene *s, basis *b, uint32_t i, uint32_t j, uint32_t k, uint32_t l,
                           pnb_closures *out) {
    const int edges[4] = {s->edge[i][j], s->edge[k][l], s->edge[i][k], s->edge[j][l]}, signs[4] = {1, 1, -1, -1};
    for (int e = 0; e < 4; e++) {
        if (edges[e] == NO_RECORD) return false;
    }
    if (!take(b, edges, signs, 4)) return false;
    uint32_t *to = out->quadrangles[out->n_quadrangles++];
    for (int e = 0; e < 4; e++) to[e] = s->record[edges[e]];
    return true;
}

/* Each station s after the third brings as many as there are stations between the reference and it: x and y neighbours
 * among these, round in a ring, (0 s)(y x)/(0 y)(s x). */
static void ring_quadrangles(const scene *s, basis *b, pnb_closures *out) {
    for (uint32_t last = 3; last < s->n; last++) {
        for (uint32_t x = 1; x < last; x++) try_quadrangle(s, b, 0, last, x + 1 < last ? x + 1 : 1, x, out);
    }
}

static void find_quadrangles(const scene *s, basis *b, pnb_closures *out) {
    uint32_t most = s->edges > s->n ? s->edges - s->n : 0; /* of a connected array with an odd ring */
    b->rank = 0;
    b->edges = s->edges;
    ring_quadrangles(s, b, out);
    for (uint32_t i = 0; i + 3 < s->n; i++) {
        for (uint32_t j = i + 1; j + 2 < s->n; j++) {
            for (uint32_t k = j + 1; k + 1 < s->n; k++) {
                for (uint32_t l = k + 1; l < s->n && b->rank < most; l++) {
                    try_quadrangle(s, b, i, j, k, l, out);
                    try_quadrangle(s, b, i, j, l, k, out);
                    try_quadrangle(s, b, i, k, l, j, out);
                }
            }
        }
    }
}

/* ---- all times -------------------------------------------------------------------------------------------------- */

static uint32_t group_size(const pnb_uvdata *d, uint32_t first) {
    uint32_t n = 1;
    while (first + n < d->count && d->records[first + n].group == d->records[first].group) n++;
    return n;
}

pnb_status pnb_closures_find(pnb_error *err, const pnb_uvdata *d, pnb_closures *out) {
    size_t room = d->count ? d->count : 1; /* fewer closures than records, at every time */
    scene *s = malloc(sizeof *s);
    basis *b = malloc(sizeof *b);
    double *rows = malloc(sizeof *rows * EDGES * EDGES);
    *out = (pnb_closures){malloc(room * sizeof *out->triangles), malloc(room * sizeof *out->quadrangles), 0, 0};
    pnb_status status = PNB_OK;
    if (!s || !b || !rows || !out->triangles || !out->quadrangles)
        status = pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "closures: no host memory");
    for (uint32_t first = 0, n; status == PNB_OK && first < d->count; first += n) {
        n = group_size(d, first);
        b->rows = rows;
        if (!set_scene(s, d, first, n)) {
            status =
                pnb_fail(err, PNB_ERROR_INPUT, "closures: more than %d stations at one time", PNB_CLOSURE_MAX_STATIONS);
            break;
        }
        find_triangles(s, b, out);
        find_quadrangles(s, b, out);
    }
    free(s);
    free(b);
    free(rows);
    return status;
}

void pnb_closures_free(pnb_closures *c) {
    free(c->triangles);
    free(c->quadrangles);
    *c = (pnb_closures){0};
}
