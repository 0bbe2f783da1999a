/* Devices: what they can do, which one to take and why, the life of a context. */
#include "base/str.h"
#include "gpu/internal.h"
#include "gpu/testing.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- capabilities ----------------------------------------------------------------------------------------------- */

static uint64_t clamp_u64(uint64_t x, uint64_t low, uint64_t high) { return x < low ? low : x > high ? high : x; }

/* A driver's alignment made sane: a power of two from 16 to 256, the most that Vulkan allows. */
static uint32_t alignment(uint64_t a, uint64_t b) {
    uint64_t want = a > b ? a : b;
    uint32_t p = 16;
    while (p < want && p < 256) p *= 2;
    return p;
}

static pnb_gpu_type type_of(VkPhysicalDeviceType type) {
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return PNB_GPU_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return PNB_GPU_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return PNB_GPU_VIRTUAL;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return PNB_GPU_CPU;
    default: return PNB_GPU_OTHER;
    }
}

/* The family to compute on: the first with timestamps, else the first that computes. */
static bool find_queue(const pnb_vki *vki, VkPhysicalDevice physical, pnb_queue_choice *queue) {
    VkQueueFamilyProperties props[32];
    uint32_t n = 32;
    bool found = false;
    vki->GetPhysicalDeviceQueueFamilyProperties(physical, &n, props);
    for (uint32_t i = 0; i < n; i++) {
        if (!(props[i].queueFlags & VK_QUEUE_COMPUTE_BIT) || props[i].queueCount == 0) continue;
        if (found && (queue->timestamp_bits || !props[i].timestampValidBits)) continue;
        *queue = (pnb_queue_choice){i, props[i].timestampValidBits};
        found = true;
    }
    return found;
}

static void read_limits(const VkPhysicalDeviceLimits *l, uint64_t max_allocation, pnb_gpu_caps *caps) {
    caps->max_buffer_bytes = clamp_u64(max_allocation ? max_allocation : 1ull << 30, 1ull << 20, 1ull << 40);
    if (caps->memory_bytes && caps->max_buffer_bytes > caps->memory_bytes) caps->max_buffer_bytes = caps->memory_bytes;
    caps->max_binding_bytes = clamp_u64(l->maxStorageBufferRange, 1, 1ull << 31) & ~15ull;
    caps->max_texel_elements = (uint32_t)clamp_u64(l->maxTexelBufferElements, 1, 1u << 27);
    caps->binding_alignment = alignment(l->minStorageBufferOffsetAlignment, l->minTexelBufferOffsetAlignment);
    for (int i = 0; i < 3; i++) caps->max_groups[i] = (uint32_t)clamp_u64(l->maxComputeWorkGroupCount[i], 1, 0x7fffffff);
    caps->max_local_size = (uint32_t)clamp_u64(l->maxComputeWorkGroupInvocations, 1, 4096);
    caps->max_local_size_x = (uint32_t)clamp_u64(l->maxComputeWorkGroupSize[0], 1, caps->max_local_size);
    caps->shared_bytes = (uint32_t)clamp_u64(l->maxComputeSharedMemorySize, 0, 1u << 20);
}

/* The least that every kernel counts on; see architecture.md, section 4. */
static void judge(const VkPhysicalDeviceLimits *l, bool has_queue, pnb_gpu_caps *caps) {
    const char *why = "";
    if (caps->api_version < VK_API_VERSION_1_2) why = "its driver offers less than Vulkan 1.2";
    else if (!has_queue) why = "it has no compute queue";
    else if (caps->max_local_size < 128) why = "fewer than 128 invocations a workgroup";
    else if (caps->shared_bytes < 16384) why = "less than 16 KiB of shared memory";
    else if (l->maxPushConstantsSize < PNB_GPU_MAX_PUSH) why = "fewer than 128 bytes of push constants";
    else if (l->maxPerStageDescriptorStorageBuffers < PNB_GPU_MAX_BINDINGS ||
             l->maxDescriptorSetStorageBuffers < PNB_GPU_MAX_BINDINGS) why = "fewer than 12 storage buffers a kernel";
    snprintf(caps->why_not, sizeof caps->why_not, "%s", why);
    caps->usable = !*why;
}

static uint64_t largest_heap(const pnb_vki *vki, VkPhysicalDevice physical) {
    VkPhysicalDeviceMemoryProperties m;
    uint64_t local = 0, any = 0;
    vki->GetPhysicalDeviceMemoryProperties(physical, &m);
    for (uint32_t i = 0; i < m.memoryHeapCount && i < VK_MAX_MEMORY_HEAPS; i++) {
        uint64_t size = m.memoryHeaps[i].size;
        if (size > any) any = size;
        if ((m.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) && size > local) local = size;
    }
    return local ? local : any;
}

void pnb_caps_read(const pnb_vki *vki, VkPhysicalDevice physical, pnb_gpu_caps *caps, pnb_queue_choice *queue) {
    memset(caps, 0, sizeof *caps);
    VkPhysicalDeviceProperties base;
    vki->GetPhysicalDeviceProperties(physical, &base);
    snprintf(caps->name, sizeof caps->name, "%s", base.deviceName);
    caps->vendor_id = base.vendorID;
    caps->device_id = base.deviceID;
    caps->driver_version = base.driverVersion;
    caps->api_version = base.apiVersion;
    memcpy(caps->uuid, base.pipelineCacheUUID, sizeof caps->uuid);
    caps->type = type_of(base.deviceType);
    caps->memory_bytes = largest_heap(vki, physical);

    VkPhysicalDeviceDriverProperties driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceSubgroupProperties subgroup = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, .pNext = &driver};
    VkPhysicalDeviceMaintenance3Properties m3 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES,
                                                 .pNext = &subgroup};
    VkPhysicalDeviceProperties2 props = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &m3};
    VkPhysicalDevice16BitStorageFeatures half = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &half};
    if (base.apiVersion >= VK_API_VERSION_1_2) { /* older drivers need not know these structs */
        vki->GetPhysicalDeviceProperties2(physical, &props);
        vki->GetPhysicalDeviceFeatures2(physical, &features);
    }
    snprintf(caps->driver, sizeof caps->driver, "%.100s%s%.150s", driver.driverName, *driver.driverInfo ? " " : "", driver.driverInfo);
    read_limits(&base.limits, m3.maxMemoryAllocationSize, caps);
    bool compute = subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT;
    caps->subgroup_size = (uint32_t)clamp_u64(subgroup.subgroupSize, 1, 128);
    caps->subgroup_arithmetic = compute && (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT);
    caps->subgroup_shuffle = compute && (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT);
    caps->subgroup_quad = compute && (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_QUAD_BIT) && caps->subgroup_size >= 4;
    caps->fp16_storage = half.storageBuffer16BitAccess;
    *queue = (pnb_queue_choice){0};
    bool has_queue = find_queue(vki, physical, queue);
    float period = base.limits.timestampPeriod; /* one driver says infinity */
    caps->timestamp_ns = queue->timestamp_bits && period > 0 && period < 1e6f ? (double)period : 0;
    judge(&base.limits, has_queue, caps);
    pnb_quirks_apply(driver.driverID, caps);
    if (caps->usable && caps->fp16_storage) pnb_cooperative_read(vki, physical, caps);
}

/* ---- enumeration and choice -------------------------------------------------------------------------------------- */

/* The physical devices of an instance and their capabilities, in the loader's order; the caller frees both. */
static pnb_status list_devices(pnb_error *err, const pnb_vki *vki, VkPhysicalDevice **physical, pnb_gpu_caps **caps,
                               uint32_t *count) {
    uint32_t n = 0;
    *physical = NULL;
    *caps = NULL;
    VkResult r = vki->EnumeratePhysicalDevices(vki->handle, &n, NULL);
    if (r != VK_SUCCESS || n == 0) {
        return pnb_fail(err, PNB_ERROR_NO_DEVICE,
                        "no Vulkan device was found%s%s: install the driver of your GPU, or mesa-vulkan-drivers for a software device, "
                        "and check VK_ICD_FILENAMES if it is set",
                        r < 0 ? ", " : "", r < 0 ? pnb_vk_result_text(r) : "");
    }
    *physical = calloc(n, sizeof **physical);
    *caps = calloc(n, sizeof **caps);
    if (!*physical || !*caps) {
        free(*physical);
        free(*caps);
        return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "listing %u devices: out of memory", n);
    }
    vki->EnumeratePhysicalDevices(vki->handle, &n, *physical);
    for (uint32_t i = 0; i < n; i++) {
        pnb_queue_choice queue;
        pnb_caps_read(vki, (*physical)[i], &(*caps)[i], &queue);
    }
    *count = n;
    return PNB_OK;
}

pnb_status pnb_gpu_enumerate(pnb_error *err, pnb_gpu_caps **out, size_t *count) {
    pnb_vki vki;
    VkPhysicalDevice *physical;
    uint32_t n = 0;
    *out = NULL;
    *count = 0;
    PNB_TRY(pnb_vki_create(err, NULL, &vki));
    pnb_status status = list_devices(err, &vki, &physical, out, &n);
    pnb_vki_destroy(&vki);
    PNB_TRY(status);
    free(physical);
    *count = n;
    return PNB_OK;
}

static const char *type_text(pnb_gpu_type type) {
    static const char *const text[] = {"discrete GPU", "integrated GPU", "virtual GPU", "CPU", "other device"};
    return text[type];
}

/* Smaller is better. */
static int rank_of(const pnb_gpu_caps *caps) { return pnb_quirks_null_hardware(caps) ? 100 : (int)caps->type; }

static bool better(const pnb_gpu_caps *a, const pnb_gpu_caps *b) {
    if (rank_of(a) != rank_of(b)) return rank_of(a) < rank_of(b);
    return a->memory_bytes > b->memory_bytes;
}

/* "0: llvmpipe, 1: Intel ..." for errors. */
static void list_names(const pnb_gpu_caps *caps, uint32_t n, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < n && used < size; i++) {
        int k = snprintf(text + used, size - used, "%s%u: %s", i ? ", " : "", i, caps[i].name);
        if (k < 0) return;
        used += (size_t)k;
    }
}

static bool is_number(const char *s) { return *s && strspn(s, "0123456789") == strlen(s); }

/* Chooses among n devices by index, name part or rank; a sentence about it into choice. */
static pnb_status choose(pnb_error *err, const char *wanted, const char *source, const pnb_gpu_caps *caps, uint32_t n,
                         uint32_t *chosen, char *choice, size_t choice_size) {
    char names[512];
    bool by_index = wanted && is_number(wanted);
    uint32_t best = n, usable = 0;
    list_names(caps, n, names, sizeof names);
    for (uint32_t i = 0; i < n; i++) {
        usable += caps[i].usable;
        bool match = !wanted || (by_index ? strtoul(wanted, NULL, 10) == i : pnb_contains_nocase(caps[i].name, wanted));
        if (!match) continue;
        bool first = best == n, upgrade = !first && caps[i].usable && !caps[best].usable;
        bool equal = !first && caps[i].usable == caps[best].usable;
        if (first || upgrade || (equal && better(&caps[i], &caps[best]))) best = i;
    }
    if (best == n) {
        return pnb_fail(err, PNB_ERROR_NO_DEVICE, "no device matches '%s' (%s); there %s %s", wanted, source, n == 1 ? "is" : "are", names);
    }
    if (!caps[best].usable) {
        return pnb_fail(err, PNB_ERROR_NO_DEVICE, "device %u (%s) cannot be used: %s; there %s %s", best, caps[best].name,
                        caps[best].why_not, n == 1 ? "is" : "are", names);
    }
    *chosen = best;
    if (wanted) {
        snprintf(choice, choice_size, "device %u, %s (%s), because %s asks for '%s'", best, caps[best].name, type_text(caps[best].type),
                 source, wanted);
    } else if (usable == 1) {
        snprintf(choice, choice_size, "device %u, %s (%s), the only usable device", best, caps[best].name, type_text(caps[best].type));
    } else {
        snprintf(choice, choice_size, "device %u, %s (%s), the best of %u: discrete before integrated, virtual and CPU, then memory", best,
                 caps[best].name, type_text(caps[best].type), usable);
    }
    return PNB_OK;
}

/* ---- the context ------------------------------------------------------------------------------------------------ */

static pnb_status open_physical(pnb_gpu *gpu) {
    VkPhysicalDevice *physical;
    pnb_gpu_caps *caps;
    uint32_t n = 0, chosen = 0;
    const char *wanted = gpu->params.device, *source = "--device";
    if (!wanted || !*wanted) {
        wanted = getenv("PENUMBRA_DEVICE");
        source = "PENUMBRA_DEVICE";
        if (wanted && !*wanted) wanted = NULL;
    }
    PNB_TRY(list_devices(gpu->err, &gpu->vki, &physical, &caps, &n));
    pnb_status status = choose(gpu->err, wanted, source, caps, n, &chosen, gpu->choice, sizeof gpu->choice);
    if (status == PNB_OK) {
        gpu->physical = physical[chosen];
        pnb_caps_read(&gpu->vki, gpu->physical, &gpu->caps, &gpu->queue_choice);
    }
    free(physical);
    free(caps);
    return status;
}

static pnb_status open_device(pnb_gpu *gpu) {
    float priority = 1;
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = gpu->queue_choice.family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkPhysicalDevice16BitStorageFeatures half = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
        .storageBuffer16BitAccess = gpu->caps.fp16_storage,
    };
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR statistics = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        .pNext = &half,
        .pipelineExecutableInfo = VK_TRUE,
    };
    const char *extensions[2];
    pnb_cooperative_features cooperative;
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &half,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .ppEnabledExtensionNames = extensions,
    };
    if (gpu->params.statistics) {
        info.pNext = &statistics;
        extensions[info.enabledExtensionCount++] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
    }
    pnb_cooperative_enable(&gpu->caps, &cooperative, &info, extensions);
    VkResult r = gpu->vki.CreateDevice(gpu->physical, &info, NULL, &gpu->device);
    if (r != VK_SUCCESS) {
        gpu->device = VK_NULL_HANDLE;
        return pnb_fail(gpu->err, PNB_ERROR_NO_DEVICE, "device '%s' could not be opened: %s%s", gpu->caps.name, pnb_vk_result_text(r),
                        gpu->params.statistics ? " (kernel statistics need VK_KHR_pipeline_executable_properties)" : "");
    }
    volkLoadDeviceTable(&gpu->vk, gpu->device);
    gpu->vk.vkGetDeviceQueue(gpu->device, gpu->queue_choice.family, 0, &gpu->queue);
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_QUEUE, (uint64_t)(uintptr_t)gpu->queue, "compute queue");
    return PNB_OK;
}

pnb_status pnb_gpu_create(const pnb_gpu_params *params, pnb_error *err, pnb_gpu **out) {
    pnb_status status;
    *out = NULL;
    pnb_gpu *gpu = calloc(1, sizeof *gpu);
    if (!gpu) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "opening a device: out of memory");
    if (params) gpu->params = *params;
    gpu->err = err ? err : &gpu->own_error;
    gpu->messages.gpu = gpu;
    PNB_TRY_GOTO(pnb_choices_create(gpu->err, &gpu->choices));
    PNB_TRY_GOTO(pnb_vki_create(gpu->err, gpu->params.validate ? &gpu->messages : NULL, &gpu->vki));
    PNB_TRY_GOTO(open_physical(gpu));
    PNB_TRY_GOTO(open_device(gpu));
    PNB_TRY_GOTO(pnb_memory_init(gpu));
    PNB_TRY_GOTO(pnb_submit_init(gpu));
    if (gpu->params.as_hardware) gpu->caps.is_cpu = gpu->caps.prefer_texel = false;
    pnb_cache_open(gpu, gpu->params.cache_dir);
    pnb_choices_open(gpu, gpu->params.cache_dir);
    gpu->params.device = gpu->params.cache_dir = NULL; /* the caller's strings end with this call */
    pnb_gpu_log(gpu, 2, "%s; driver %s", gpu->choice, gpu->caps.driver);
    *out = gpu;
    return PNB_OK;
fail:
    pnb_gpu_destroy(&gpu);
    return status;
}

void pnb_gpu_destroy(pnb_gpu **handle) {
    if (!handle || !*handle) return;
    pnb_gpu *gpu = *handle;
    if (gpu->device) {
        if (gpu->submitted) gpu->vk.vkDeviceWaitIdle(gpu->device);
        pnb_cache_close(gpu);
        pnb_kernels_finish(gpu);
        pnb_submit_finish(gpu);
        pnb_memory_finish(gpu);
        gpu->vk.vkDestroyDevice(gpu->device, NULL);
    }
    pnb_vki_destroy(&gpu->vki);
    pnb_choices_destroy(&gpu->choices);
    free(gpu->choices_path);
    free(gpu);
    *handle = NULL;
}

const pnb_gpu_caps *pnb_gpu_get_caps(const pnb_gpu *gpu) { return &gpu->caps; }
pnb_error *pnb_gpu_get_error(const pnb_gpu *gpu) { return gpu->err; }
const char *pnb_gpu_choice(const pnb_gpu *gpu) { return gpu->choice; }
struct pnb_choices *pnb_gpu_choices(const pnb_gpu *gpu) { return gpu->choices; }
const char *pnb_gpu_validation_text(const pnb_gpu *gpu) { return gpu->messages.first; }

pnb_gpu_stats pnb_gpu_get_stats(const pnb_gpu *gpu) {
    pnb_gpu_stats stats = gpu->stats;
    stats.validation_messages = gpu->messages.count;
    return stats;
}

/* ---- failures, names, log --------------------------------------------------------------------------------------- */

static void lose(pnb_gpu *gpu, const char *what) {
    if (gpu->lost) return;
    gpu->lost = true;
    snprintf(gpu->lost_message, sizeof gpu->lost_message,
             "%.400s: the device '%s' was lost (driver reset, hang or removal); make a new context to go on", what, gpu->caps.name);
}

pnb_status pnb_gpu_check(pnb_gpu *gpu) {
    return gpu->lost ? pnb_fail(gpu->err, PNB_ERROR_DEVICE_LOST, "%s", gpu->lost_message) : PNB_OK;
}

pnb_status pnb_vk_check(pnb_gpu *gpu, VkResult result, const char *format, ...) {
    char what[512];
    va_list args;
    if (result >= 0) return PNB_OK;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (result == VK_ERROR_DEVICE_LOST) {
        lose(gpu, what);
        return pnb_gpu_check(gpu);
    }
    bool memory = result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY;
    return pnb_fail(gpu->err, memory ? PNB_ERROR_OUT_OF_MEMORY : PNB_ERROR_INTERNAL, "%s: %s", what, pnb_vk_result_text(result));
}

void pnb_gpu_name_object(const pnb_gpu *gpu, VkObjectType type, uint64_t handle, const char *name) {
    if (!gpu->vki.SetDebugUtilsObjectNameEXT || !handle) return;
    VkDebugUtilsObjectNameInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT,
        .objectType = type,
        .objectHandle = handle,
        .pObjectName = name,
    };
    gpu->vki.SetDebugUtilsObjectNameEXT(gpu->device, &info);
}

void pnb_gpu_log(const pnb_gpu *gpu, int level, const char *format, ...) {
    char line[1280];
    va_list args;
    if (!gpu->params.log) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    gpu->params.log(gpu->params.log_user, level, line);
}

void pnb_gpu_test_force_staging(pnb_gpu *gpu, bool on) { gpu->force_staging = on; }
void pnb_gpu_test_fail_allocation(pnb_gpu *gpu, uint32_t n) { gpu->fail_allocation_in = n; }
void pnb_gpu_test_lose(pnb_gpu *gpu) { lose(gpu, "test"); }
