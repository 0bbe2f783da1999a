/* Kernels: an embedded shader, its layouts and its pipeline, made at the first request and kept. */
#include "base/hash.h"
#include "gpu/internal.h"
#include "gpu/shaders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const pnb_shader *find_shader(const char *name) {
    for (size_t i = 0; i < pnb_shader_count; i++) {
        if (strcmp(pnb_shaders[i].name, name) == 0) return &pnb_shaders[i];
    }
    return NULL;
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

static uint64_t desc_hash(const pnb_gpu_kernel_desc *d) {
    uint32_t numbers[] = {d->bindings, d->texel_mask, d->half_mask, d->push_bytes, d->spec_count};
    uint64_t hash = pnb_hash(PNB_HASH_START, d->shader, strlen(d->shader));
    hash = pnb_hash(hash, numbers, sizeof numbers);
    return pnb_hash(hash, d->spec, d->spec_count * sizeof *d->spec);
}

static bool desc_equal(const pnb_gpu_kernel_desc *a, const pnb_gpu_kernel_desc *b) {
    return a->bindings == b->bindings && a->texel_mask == b->texel_mask && a->half_mask == b->half_mask &&
           a->push_bytes == b->push_bytes && a->spec_count == b->spec_count && memcmp(a->spec, b->spec, a->spec_count * sizeof *a->spec) == 0 &&
           strcmp(a->shader, b->shader) == 0;
}

/* The slot where the kernel is, or where it goes. The table has a free slot always. */
static pnb_gpu_kernel **find_slot(pnb_gpu_kernel **table, size_t slots, uint64_t hash, const pnb_gpu_kernel_desc *desc) {
    size_t i = (size_t)hash & (slots - 1);
    while (table[i] && !(table[i]->hash == hash && desc_equal(&table[i]->desc, desc))) i = (i + 1) & (slots - 1);
    return &table[i];
}

static pnb_status grow_table(pnb_gpu *gpu) {
    size_t slots = gpu->kernel_slots ? 2 * gpu->kernel_slots : 64;
    if (gpu->kernel_slots && 2 * (gpu->kernel_count + 1) <= gpu->kernel_slots) return PNB_OK;
    pnb_gpu_kernel **table = calloc(slots, sizeof *table);
    if (!table) return pnb_fail(gpu->err, PNB_ERROR_OUT_OF_MEMORY, "kernel table: out of host memory");
    for (size_t i = 0; i < gpu->kernel_slots; i++) {
        pnb_gpu_kernel *k = gpu->kernels[i];
        if (k) *find_slot(table, slots, k->hash, &k->desc) = k;
    }
    free(gpu->kernels);
    gpu->kernels = table;
    gpu->kernel_slots = slots;
    return PNB_OK;
}

/* ---- making one ------------------------------------------------------------------------------------------------- */

static pnb_status make_layouts(pnb_gpu *gpu, pnb_gpu_kernel *k) {
    VkDescriptorSetLayoutBinding bindings[PNB_GPU_MAX_BINDINGS];
    for (uint32_t i = 0; i < k->desc.bindings; i++) {
        bool texel = k->desc.texel_mask >> i & 1;
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = texel ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    }
    if (k->desc.bindings) {
        VkDescriptorSetLayoutCreateInfo info = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = k->desc.bindings, .pBindings = bindings};
        VkResult r = gpu->vk.vkCreateDescriptorSetLayout(gpu->device, &info, NULL, &k->set_layout);
        PNB_TRY(pnb_vk_check(gpu, r, "kernel '%s': its bindings", k->desc.shader));
        pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_DESCRIPTOR_SET_LAYOUT, (uint64_t)(uintptr_t)k->set_layout, k->desc.shader);
    }
    VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = k->desc.push_bytes};
    VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = k->desc.bindings ? 1 : 0,
        .pSetLayouts = &k->set_layout,
        .pushConstantRangeCount = k->desc.push_bytes ? 1 : 0,
        .pPushConstantRanges = &push,
    };
    VkResult r = gpu->vk.vkCreatePipelineLayout(gpu->device, &info, NULL, &k->layout);
    PNB_TRY(pnb_vk_check(gpu, r, "kernel '%s': its layout", k->desc.shader));
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_PIPELINE_LAYOUT, (uint64_t)(uintptr_t)k->layout, k->desc.shader);
    return PNB_OK;
}

static pnb_status make_pipeline(pnb_gpu *gpu, pnb_gpu_kernel *k, const pnb_shader *shader) {
    VkSpecializationMapEntry entries[PNB_GPU_MAX_SPEC];
    VkShaderModule module;
    VkShaderModuleCreateInfo code = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = shader->bytes, .pCode = shader->code};
    VkResult r = gpu->vk.vkCreateShaderModule(gpu->device, &code, NULL, &module);
    PNB_TRY(pnb_vk_check(gpu, r, "kernel '%s': its shader", k->desc.shader));
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_SHADER_MODULE, (uint64_t)(uintptr_t)module, k->desc.shader);
    for (uint32_t i = 0; i < k->desc.spec_count; i++) entries[i] = (VkSpecializationMapEntry){i, 4 * i, 4};
    VkSpecializationInfo spec = {k->desc.spec_count, entries, 4 * k->desc.spec_count, k->desc.spec};
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = gpu->params.statistics ? VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR : 0,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = &spec},
        .layout = k->layout,
    };
    r = gpu->vk.vkCreateComputePipelines(gpu->device, gpu->cache, 1, &info, NULL, &k->pipeline);
    if (r != VK_SUCCESS) k->pipeline = VK_NULL_HANDLE;
    gpu->vk.vkDestroyShaderModule(gpu->device, module, NULL);
    PNB_TRY(pnb_vk_check(gpu, r, "kernel '%s': the driver could not compile it", k->desc.shader));
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_PIPELINE, (uint64_t)(uintptr_t)k->pipeline, k->desc.shader);
    return PNB_OK;
}

static void kernel_destroy(pnb_gpu *gpu, pnb_gpu_kernel *k) {
    if (k->pipeline) gpu->vk.vkDestroyPipeline(gpu->device, k->pipeline, NULL);
    if (k->layout) gpu->vk.vkDestroyPipelineLayout(gpu->device, k->layout, NULL);
    if (k->set_layout) gpu->vk.vkDestroyDescriptorSetLayout(gpu->device, k->set_layout, NULL);
    free(k);
}

static pnb_status check_desc(pnb_gpu *gpu, const pnb_gpu_kernel_desc *d) {
    const pnb_gpu_caps *caps = &gpu->caps;
    if (d->bindings > PNB_GPU_MAX_BINDINGS || d->spec_count > PNB_GPU_MAX_SPEC || d->push_bytes > PNB_GPU_MAX_PUSH || d->push_bytes % 4) {
        return pnb_fail(gpu->err, PNB_ERROR_INTERNAL,
                        "kernel '%s': %u bindings, %u constants, %u push bytes; at most %d, %d and %d (a multiple of 4) are allowed",
                        d->shader, d->bindings, d->spec_count, d->push_bytes, PNB_GPU_MAX_BINDINGS, PNB_GPU_MAX_SPEC, PNB_GPU_MAX_PUSH);
    }
    uint32_t most = caps->max_local_size < caps->max_local_size_x ? caps->max_local_size : caps->max_local_size_x;
    if (d->spec_count && (d->spec[0] < 1 || d->spec[0] > most)) {
        return pnb_fail(gpu->err, PNB_ERROR_INTERNAL, "kernel '%s': %u invocations a workgroup, the device takes 1 to %u", d->shader,
                        d->spec[0], most);
    }
    return PNB_OK;
}

pnb_status pnb_gpu_kernel_get(pnb_gpu *gpu, const pnb_gpu_kernel_desc *desc, pnb_gpu_kernel **out) {
    pnb_status status;
    *out = NULL;
    PNB_TRY(pnb_gpu_check(gpu));
    PNB_TRY(check_desc(gpu, desc));
    PNB_TRY(grow_table(gpu));
    uint64_t hash = desc_hash(desc);
    pnb_gpu_kernel **slot = find_slot(gpu->kernels, gpu->kernel_slots, hash, desc);
    if (*slot) {
        *out = *slot;
        return PNB_OK;
    }
    const pnb_shader own = {desc->shader, desc->code, desc->code_bytes};
    const pnb_shader *shader = desc->code ? &own : find_shader(desc->shader);
    if (!shader) return pnb_fail(gpu->err, PNB_ERROR_INTERNAL, "kernel '%s': no such shader is built in", desc->shader);
    pnb_gpu_kernel *k = calloc(1, sizeof *k);
    if (!k) return pnb_fail(gpu->err, PNB_ERROR_OUT_OF_MEMORY, "kernel '%s': out of host memory", desc->shader);
    k->desc = *desc;
    k->desc.shader = shader->name;
    if (desc->code) { /* neither the name nor the code need stay */
        snprintf(k->own_name, sizeof k->own_name, "%s", desc->shader);
        k->desc.shader = k->own_name;
        k->desc.code = NULL;
    }
    k->hash = hash;
    k->index = gpu->kernel_count;
    PNB_TRY_GOTO(make_layouts(gpu, k));
    PNB_TRY_GOTO(make_pipeline(gpu, k, shader));
    gpu->stats.kernels_created++;
    gpu->kernel_count++;
    *slot = *out = k;
    return PNB_OK;
fail:
    kernel_destroy(gpu, k);
    return status;
}

void pnb_kernels_finish(pnb_gpu *gpu) {
    for (size_t i = 0; i < gpu->kernel_slots; i++) {
        if (gpu->kernels[i]) kernel_destroy(gpu, gpu->kernels[i]);
    }
    free(gpu->kernels);
}
