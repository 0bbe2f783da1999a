/* The pipeline cache on disk: what the driver compiled is kept for the next start. Nothing here can fail a run.
 *
 * One file a device and driver: our header, then the driver's data. A file that is foreign, torn or stale is ignored. */
#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "gpu/internal.h"

#include <stdlib.h>
#include <string.h>

#define CACHE_MAX_BYTES (256ull << 20)

typedef struct cache_header {
    char magic[8];
    uint32_t version, driver_version;
    uint64_t bytes, hash; /* of the data behind the header */
} cache_header;

static const char magic[8] = "pnbcache";

/* The folder to use, or NULL for none; the caller frees it. */
static char *cache_folder(const char *asked) {
    if (asked) return *asked ? pnb_copy_string(asked) : NULL;
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (xdg && xdg[0] == '/') return pnb_path_join(xdg, "penumbra");
    return home && home[0] == '/' ? pnb_path_join(home, ".cache/penumbra") : NULL;
}

char *pnb_cache_path(const char *asked, const char *name) {
    char *folder = cache_folder(asked), *path = folder ? pnb_path_join(folder, name) : NULL;
    free(folder);
    return path;
}

const char *pnb_uuid_text(const uint8_t uuid[16], char text[PNB_UUID_TEXT_SIZE]) {
    for (int i = 0; i < 16; i++) {
        text[2 * i] = "0123456789abcdef"[uuid[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[uuid[i] & 15];
    }
    text[32] = 0;
    return text;
}

static char *cache_file_name(const pnb_gpu_caps *caps) {
    char uuid[PNB_UUID_TEXT_SIZE];
    return pnb_format("pipelines-%04x-%04x-%08x-%s.bin", caps->vendor_id, caps->device_id, caps->driver_version,
                      pnb_uuid_text(caps->uuid, uuid));
}

/* Whether the file is ours, whole and of this very device and driver. */
static bool cache_valid(const pnb_gpu_caps *caps, const unsigned char *data, size_t bytes) {
    cache_header h;
    VkPipelineCacheHeaderVersionOne v;
    if (bytes < sizeof h + sizeof v) return false;
    memcpy(&h, data, sizeof h);
    memcpy(&v, data + sizeof h, sizeof v);
    return memcmp(h.magic, magic, sizeof magic) == 0 && h.version == 1 && h.driver_version == caps->driver_version &&
           h.bytes == bytes - sizeof h && h.hash == pnb_hash(PNB_HASH_START, data + sizeof h, bytes - sizeof h) && v.headerSize >= sizeof v &&
           v.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE && v.vendorID == caps->vendor_id &&
           v.deviceID == caps->device_id && memcmp(v.pipelineCacheUUID, caps->uuid, sizeof caps->uuid) == 0;
}

void pnb_cache_open(pnb_gpu *gpu, const char *cache_dir) {
    pnb_error err = {PNB_OK, ""};
    void *data = NULL;
    size_t bytes = 0;
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
    char *name = cache_file_name(&gpu->caps);
    gpu->cache_path = name ? pnb_cache_path(cache_dir, name) : NULL;
    free(name);
    if (gpu->cache_path && pnb_file_exists(gpu->cache_path)) {
        if (pnb_file_read(&err, gpu->cache_path, CACHE_MAX_BYTES, &data, &bytes) != PNB_OK) {
            pnb_gpu_log(gpu, 1, "pipeline cache: %s", err.message);
        } else if (cache_valid(&gpu->caps, data, bytes)) {
            info.initialDataSize = bytes - sizeof(cache_header);
            info.pInitialData = (unsigned char *)data + sizeof(cache_header);
            gpu->cache_loaded_hash = pnb_hash(PNB_HASH_START, info.pInitialData, info.initialDataSize);
        } else {
            pnb_gpu_log(gpu, 1, "pipeline cache: file '%s' is damaged or of another driver and will be replaced", gpu->cache_path);
        }
    }
    VkResult r = gpu->vk.vkCreatePipelineCache(gpu->device, &info, NULL, &gpu->cache);
    if (r != VK_SUCCESS) {
        gpu->cache = VK_NULL_HANDLE;
        pnb_gpu_log(gpu, 1, "pipeline cache: the driver gives none: %s", pnb_vk_result_text(r));
    }
    pnb_gpu_name_object(gpu, VK_OBJECT_TYPE_PIPELINE_CACHE, (uint64_t)(uintptr_t)gpu->cache, "pipelines");
    free(data);
}

/* The driver's data behind our header, for the caller to free; NULL if there is none. */
static unsigned char *cache_image(pnb_gpu *gpu, size_t *bytes) {
    size_t n = 0;
    if (gpu->vk.vkGetPipelineCacheData(gpu->device, gpu->cache, &n, NULL) != VK_SUCCESS || n == 0 || n > CACHE_MAX_BYTES) return NULL;
    unsigned char *image = malloc(sizeof(cache_header) + n);
    if (!image) return NULL;
    if (gpu->vk.vkGetPipelineCacheData(gpu->device, gpu->cache, &n, image + sizeof(cache_header)) != VK_SUCCESS) {
        free(image);
        return NULL;
    }
    cache_header h = {.version = 1, .driver_version = gpu->caps.driver_version, .bytes = n};
    memcpy(h.magic, magic, sizeof magic);
    h.hash = pnb_hash(PNB_HASH_START, image + sizeof h, n);
    memcpy(image, &h, sizeof h);
    *bytes = sizeof h + n;
    return h.hash == gpu->cache_loaded_hash ? (free(image), NULL) : image;
}

void pnb_cache_close(pnb_gpu *gpu) {
    pnb_error err = {PNB_OK, ""};
    size_t bytes = 0;
    bool worth = gpu->cache && gpu->cache_path && !gpu->lost && gpu->stats.kernels_created > 0;
    unsigned char *image = worth ? cache_image(gpu, &bytes) : NULL;
    char *folder = image ? pnb_path_folder(gpu->cache_path) : NULL;
    if (image && folder) {
        if (pnb_make_folders(&err, folder) != PNB_OK || pnb_file_write(&err, gpu->cache_path, image, bytes) != PNB_OK) {
            pnb_gpu_log(gpu, 1, "pipeline cache: %s", err.message);
        }
    }
    free(folder);
    free(image);
    if (gpu->cache) gpu->vk.vkDestroyPipelineCache(gpu->device, gpu->cache, NULL);
    free(gpu->cache_path);
}
