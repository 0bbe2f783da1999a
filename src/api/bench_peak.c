/* The roof of the device: how many multiply-adds it makes and how many bytes it copies in a second, at its best. */
#include "api/bench.h"

#include "gpu/peak.h"
#include "graph/op.h"

enum {
    FMA_TURNS = 10,
    COPY_TURNS = 4,
    MOST_LOOPS = 1 << 15,
    MOST_COPIES = 1 << 10,
    CPU_GROUPS = 64,
    GPU_GROUPS = 4096
};
static const double LONG_ENOUGH = 0.02; /* seconds, beside which a submission's own microseconds do not count */
static const uint64_t COPY_BYTES = UINT64_C(128) << 20, COPY_UNIT = UINT64_C(1) << 20; /* beyond most caches */

/* What is timed: a kernel once, or `count` copies of x to y. */
typedef struct probe {
    pnb_bencher *b;
    pnb_gpu_kernel *kernel; /* NULL: the driver's copy command */
    pnb_gpu_buffer *x, *y;
    uint32_t n_bind, local, groups, times, turns;
    pnb_push_peak push;
    uint64_t bytes; /* of x and of y */
} probe;

static pnb_status record(const probe *p, pnb_gpu_list *list) {
    pnb_gpu_binding all[] = {{p->x, 0, p->bytes}, {p->y, 0, p->bytes}};
    uint32_t groups[3] = {p->groups, 1, 1};
    for (uint32_t i = 0; i < p->times; i++) {
        if (!p->kernel) {
            PNB_TRY(pnb_gpu_list_copy(list, all[0], all[1]));
            continue;
        }
        if (i) PNB_TRY(pnb_gpu_list_barrier(list));
        PNB_TRY(pnb_gpu_list_dispatch(list, p->kernel, p->n_bind == 1 ? all + 1 : all, &p->push, groups, "peak"));
    }
    return pnb_gpu_list_end(list);
}

/* The shortest of a few turns, by the host's clock: a driver's timestamps need not be believed. */
static pnb_status time_list(const probe *p, pnb_gpu_list *list, double *seconds) {
    for (uint32_t i = 0; i < p->turns; i++) {
        double begin = pnb_seconds_now();
        PNB_TRY(pnb_gpu_submit(p->b->gpu, &list, 1));
        PNB_TRY(pnb_gpu_wait(p->b->gpu));
        double s = pnb_seconds_now() - begin;
        if (i == 0 || s < *seconds) *seconds = s;
    }
    return PNB_OK;
}

static pnb_status time_probe(const probe *p, double *seconds) {
    pnb_gpu_list *list;
    PNB_TRY(pnb_gpu_list_begin(p->b->gpu, "peak", &list));
    pnb_status status = record(p, list);
    if (status == PNB_OK) status = time_list(p, list, seconds);
    pnb_gpu_list_destroy(p->b->gpu, &list);
    return status;
}

static pnb_status get_kernel(probe *p, const char *shader, uint32_t texel_mask) {
    pnb_gpu_kernel_desc desc = {.shader = shader,
                                .bindings = p->n_bind,
                                .texel_mask = texel_mask,
                                .push_bytes = sizeof p->push,
                                .spec_count = 1,
                                .spec = {p->local}};
    return pnb_gpu_kernel_get(p->b->gpu, &desc, &p->kernel);
}

/* ---- arithmetic -------------------------------------------------------------------------------------------------- */

static pnb_status measure_fma(pnb_bencher *b) {
    const pnb_gpu_caps *caps = pnb_gpu_get_caps(b->gpu);
    uint32_t groups = caps->is_cpu ? CPU_GROUPS : GPU_GROUPS, local = pnb_local_size(caps);
    probe p = {
        .b = b, .n_bind = 1, .local = local, .groups = groups, .times = 1, .turns = FMA_TURNS, .push = {16, 0.2f}};
    p.bytes = UINT64_C(4) * groups * local;
    PNB_TRY(get_kernel(&p, "gpu/peak_fma", 0));
    PNB_TRY(pnb_gpu_buffer_create(b->gpu, p.bytes, "peak", &p.y));
    double seconds, flops = 2.0 * PNB_PEAK_CHAINS * PNB_PEAK_STEPS * groups * local;
    pnb_status status = time_probe(&p, &seconds);
    while (status == PNB_OK && seconds < LONG_ENOUGH && p.push.count < MOST_LOOPS) {
        p.push.count *= 2;
        status = time_probe(&p, &seconds);
    }
    pnb_gpu_buffer_destroy(b->gpu, &p.y);
    if (status == PNB_OK) b->peak.gflops = 1e-9 * flops * p.push.count / seconds;
    return status;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Enough copies for the clock; keeps what it finds where it is the best so far. */
static pnb_status measure_copy(probe *p, const char *way) {
    double seconds;
    p->times = 1;
    PNB_TRY(time_probe(p, &seconds));
    while (seconds < LONG_ENOUGH && p->times < MOST_COPIES) {
        p->times *= 2;
        PNB_TRY(time_probe(p, &seconds));
    }
    double gbps = 2e-9 * (double)p->bytes * p->times / seconds;
    if (gbps <= p->b->peak.gbps) return PNB_OK;
    p->b->peak.gbps = gbps;
    p->b->peak.copy = way;
    return PNB_OK;
}

static pnb_status measure_copies(probe *p) {
    PNB_TRY(measure_copy(p, "copy command"));
    PNB_TRY(get_kernel(p, "gpu/peak_copy", 0));
    PNB_TRY(measure_copy(p, "storage buffers"));
    if (p->bytes / 16 > pnb_gpu_get_caps(p->b->gpu)->max_texel_elements) return PNB_OK;
    PNB_TRY(get_kernel(p, "gpu/peak_copy.texel", 1));
    return measure_copy(p, "texel buffer");
}

static uint64_t copy_bytes(const pnb_bencher *b) {
    const pnb_gpu_caps *caps = pnb_gpu_get_caps(b->gpu);
    uint64_t memory = b->ctx->memory_limit ? b->ctx->memory_limit : caps->memory_bytes, bytes = COPY_BYTES;
    uint64_t limits[] = {memory / 16, caps->max_binding_bytes, caps->max_buffer_bytes};
    for (int i = 0; i < 3; i++) bytes = limits[i] < bytes ? limits[i] : bytes;
    return bytes < COPY_UNIT ? COPY_UNIT : bytes / COPY_UNIT * COPY_UNIT;
}

static pnb_status measure_memory(pnb_bencher *b) {
    const pnb_gpu_caps *caps = pnb_gpu_get_caps(b->gpu);
    uint32_t groups = caps->is_cpu ? CPU_GROUPS : GPU_GROUPS;
    probe p = {.b = b,
               .n_bind = 2,
               .local = pnb_local_size(caps),
               .groups = groups,
               .turns = COPY_TURNS,
               .bytes = copy_bytes(b)};
    p.push.count = (uint32_t)(p.bytes / 16);
    pnb_status status = pnb_gpu_buffer_create(b->gpu, p.bytes, "peak, from", &p.x);
    if (status == PNB_OK) status = pnb_gpu_buffer_create(b->gpu, p.bytes, "peak, to", &p.y);
    if (status == PNB_OK) status = measure_copies(&p);
    pnb_gpu_buffer_destroy(b->gpu, &p.x);
    pnb_gpu_buffer_destroy(b->gpu, &p.y);
    return status;
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

pnb_status pnb_bench_peak(pnb_bencher *b) {
    if (b->peak.gflops > 0) return PNB_OK;
    PNB_TRY(measure_fma(b));
    PNB_TRY(measure_memory(b));
    cJSON *peak = cJSON_AddObjectToObject(b->json, "peak");
    if (!peak || !cJSON_AddNumberToObject(peak, "gflops", b->peak.gflops) ||
        !cJSON_AddNumberToObject(peak, "gbps", b->peak.gbps) || !cJSON_AddStringToObject(peak, "copy", b->peak.copy))
        return pnb_no_memory(&b->ctx->error, "bench");
    return pnb_bench_say(b, "the device's peak: %.1f GFLOP/s of multiply-adds, %.1f GB/s read and written by %s",
                         b->peak.gflops, b->peak.gbps, b->peak.copy);
}
