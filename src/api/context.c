/* Contexts and devices: the public functions, and the helpers that the files of this floor share. */
#include "api/handles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *pnb_version(void) {
    return PNB_VERSION;
}

void pnb_free(void *memory) {
    free(memory);
}

pnb_status pnb_context_create(const pnb_context_params *given, pnb_context **out) {
    if (!out) return PNB_ERROR_USAGE;
    *out = NULL;
    pnb_context_params params = PNB_CONTEXT_DEFAULTS;
    pnb_struct_take(&params, sizeof params, given);
    pnb_context *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return PNB_ERROR_OUT_OF_MEMORY;
    ctx->device = pnb_copy_string(params.device);
    ctx->cache_dir = pnb_copy_string(params.cache_dir);
    ctx->validate = params.validate != 0;
    ctx->no_tuning = params.no_tuning != 0;
    ctx->memory_limit = params.memory_limit;
    ctx->log = params.log;
    ctx->log_user = params.log_user;
    if ((params.device && !ctx->device) || (params.cache_dir && !ctx->cache_dir)) {
        pnb_context_destroy(&ctx);
        return PNB_ERROR_OUT_OF_MEMORY;
    }
    *out = ctx;
    return PNB_OK;
}

void pnb_context_destroy(pnb_context **context) {
    if (!context || !*context) return;
    pnb_context *ctx = *context;
    pnb_gpu_destroy(&ctx->gpu);
    free(ctx->device);
    free(ctx->cache_dir);
    free(ctx);
    *context = NULL;
}

const char *pnb_last_error(const pnb_context *context) {
    return context ? context->error.message : "there is no context: pnb_context_create has not succeeded";
}

pnb_status pnb_context_gpu(pnb_context *ctx, pnb_gpu **out) {
    if (!ctx->gpu) {
        pnb_gpu_params params = {.device = ctx->device,
                                 .validate = ctx->validate,
                                 .memory_limit = ctx->memory_limit,
                                 .cache_dir = ctx->cache_dir,
                                 .no_tuning = ctx->no_tuning,
                                 .log = ctx->log,
                                 .log_user = ctx->log_user};
        PNB_TRY(pnb_gpu_create(&params, &ctx->error, &ctx->gpu));
    }
    *out = ctx->gpu;
    return PNB_OK;
}

static void describe(const pnb_gpu_caps *caps, pnb_device_info *info) {
    static const char *const types[] = {"discrete", "integrated", "virtual", "cpu", "other"};
    pnb_device_info d = PNB_DEVICE_INFO_INIT;
    snprintf(d.name, sizeof d.name, "%s", caps->name);
    snprintf(d.driver, sizeof d.driver, "%s", caps->driver);
    snprintf(d.why_not, sizeof d.why_not, "%s", caps->usable ? "" : caps->why_not);
    d.vendor_id = caps->vendor_id;
    d.device_id = caps->device_id;
    d.api_version = caps->api_version;
    d.subgroup_size = caps->subgroup_size;
    d.memory_bytes = caps->memory_bytes;
    d.type = types[caps->type <= PNB_GPU_OTHER ? caps->type : PNB_GPU_OTHER];
    d.usable = caps->usable;
    d.fp16_storage = caps->fp16_storage;
    d.cooperative_matrix = caps->cooperative[0] != 0;
    pnb_struct_give(info, &d, sizeof d);
}

pnb_status pnb_device_count(pnb_context *ctx, size_t *count) {
    if (!ctx) return PNB_ERROR_USAGE;
    if (!count) return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_device_count: count is NULL");
    pnb_gpu_caps *caps = NULL;
    *count = 0;
    PNB_TRY(pnb_gpu_enumerate(&ctx->error, &caps, count));
    free(caps);
    return PNB_OK;
}

pnb_status pnb_device_get(pnb_context *ctx, size_t index, pnb_device_info *info) {
    if (!ctx) return PNB_ERROR_USAGE;
    if (!info) return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "pnb_device_get: info is NULL");
    pnb_gpu_caps *caps = NULL;
    size_t count = 0;
    PNB_TRY(pnb_gpu_enumerate(&ctx->error, &caps, &count));
    if (index < count) describe(&caps[index], info);
    free(caps);
    if (index < count) return PNB_OK;
    return pnb_fail(&ctx->error, PNB_ERROR_USAGE, "device %zu: there are %zu devices, the first is 0", index, count);
}

pnb_status pnb_context_device(pnb_context *ctx, pnb_device_info *info) {
    if (!ctx) return PNB_ERROR_USAGE;
    pnb_gpu *gpu;
    PNB_TRY(pnb_context_gpu(ctx, &gpu));
    if (info) describe(pnb_gpu_get_caps(gpu), info);
    return PNB_OK;
}

const char *pnb_context_choice(const pnb_context *ctx) {
    return ctx && ctx->gpu ? pnb_gpu_choice(ctx->gpu) : "";
}

uint64_t pnb_context_validation_messages(const pnb_context *ctx) {
    return ctx && ctx->gpu ? pnb_gpu_get_stats(ctx->gpu).validation_messages : 0;
}

const char *pnb_context_validation_text(const pnb_context *ctx) {
    return ctx && ctx->gpu ? pnb_gpu_validation_text(ctx->gpu) : "";
}
