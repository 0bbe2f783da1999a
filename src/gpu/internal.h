/* What the files of the gpu floor share: the Vulkan side of a pnb_gpu. Included by src/gpu/ only. */
#ifndef PNB_GPU_INTERNAL_H
#define PNB_GPU_INTERNAL_H

#include "gpu/choices.h"
#include "gpu/gpu.h"

#include <volk.h>

enum {
    PNB_GPU_FENCES = 32,      /* submissions in flight before submit waits for the oldest */
    PNB_GPU_SUBMIT_LISTS = 64 /* lists of one vkQueueSubmit batch; more go as further batches */
};

/* ---- instance.c ------------------------------------------------------------------------------------------------- */

/* Functions of one VkInstance, loaded per instance: volk's global ones belong to whichever instance came last. */
typedef struct pnb_vki {
    VkInstance handle;
    PFN_vkDestroyInstance DestroyInstance;
    PFN_vkEnumeratePhysicalDevices EnumeratePhysicalDevices;
    PFN_vkGetPhysicalDeviceProperties2 GetPhysicalDeviceProperties2;
    PFN_vkGetPhysicalDeviceProperties GetPhysicalDeviceProperties;
    PFN_vkGetPhysicalDeviceFeatures2 GetPhysicalDeviceFeatures2;
    PFN_vkGetPhysicalDeviceMemoryProperties GetPhysicalDeviceMemoryProperties;
    PFN_vkGetPhysicalDeviceQueueFamilyProperties GetPhysicalDeviceQueueFamilyProperties;
    PFN_vkCreateDevice CreateDevice;
    PFN_vkEnumerateDeviceExtensionProperties EnumerateDeviceExtensionProperties;
    PFN_vkVoidFunction GetPhysicalDeviceCooperativeMatrixPropertiesKHR; /* its type is not in all headers; may be NULL */
    /* VK_EXT_debug_utils; NULL where the loader has none */
    PFN_vkCreateDebugUtilsMessengerEXT CreateDebugUtilsMessengerEXT;
    PFN_vkDestroyDebugUtilsMessengerEXT DestroyDebugUtilsMessengerEXT;
    PFN_vkSetDebugUtilsObjectNameEXT SetDebugUtilsObjectNameEXT;
    PFN_vkCmdBeginDebugUtilsLabelEXT CmdBeginDebugUtilsLabelEXT;
    PFN_vkCmdEndDebugUtilsLabelEXT CmdEndDebugUtilsLabelEXT;
    VkDebugUtilsMessengerEXT messenger;
} pnb_vki;

/* What the validation layer said. */
typedef struct pnb_messages {
    uint64_t count;
    char first[1024];
    const struct pnb_gpu *gpu; /* for the log; may be NULL */
} pnb_messages;

/* messages: NULL without validation; otherwise it must stay where it is until pnb_vki_destroy. */
pnb_status pnb_vki_create(pnb_error *err, pnb_messages *messages, pnb_vki *out);
void pnb_vki_destroy(pnb_vki *vki);
const char *pnb_vk_result_text(VkResult result);

/* ---- device.c, quirks.c ----------------------------------------------------------------------------------------- */

/* The queue family to compute on, and how many bits its timestamps have (0: none). */
typedef struct pnb_queue_choice { uint32_t family, timestamp_bits; } pnb_queue_choice;

void pnb_caps_read(const pnb_vki *vki, VkPhysicalDevice physical, pnb_gpu_caps *caps, pnb_queue_choice *queue);
/* What is known of single drivers and not told by them: the only place for it. */
void pnb_quirks_apply(VkDriverId driver, pnb_gpu_caps *caps);
bool pnb_quirks_null_hardware(const pnb_gpu_caps *caps); /* a driver that compiles and executes nothing */

/* ---- cooperative.c ---------------------------------------------------------------------------------------------- */

#if defined PNB_COOPERATIVE_MATRIX && defined VK_KHR_cooperative_matrix
#define PNB_GPU_COOPERATIVE 1
#endif

/* Features of a device with caps.cooperative. */
typedef struct pnb_cooperative_features {
    VkPhysicalDeviceVulkanMemoryModelFeatures model;
    VkPhysicalDeviceShaderFloat16Int8Features half;
#ifdef PNB_GPU_COOPERATIVE
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix;
#endif
} pnb_cooperative_features;

/* Fills caps->cooperative; the other capabilities are read already. */
void pnb_cooperative_read(const pnb_vki *vki, VkPhysicalDevice physical, pnb_gpu_caps *caps);
/* Where the caps have it: puts the features before info->pNext, and the extension behind the others, for which there is room. */
void pnb_cooperative_enable(const pnb_gpu_caps *caps, pnb_cooperative_features *f, VkDeviceCreateInfo *info, const char **extensions);

/* ---- memory.c --------------------------------------------------------------------------------------------------- */

typedef struct pnb_range { uint64_t offset, bytes; } pnb_range;

/* One VkDeviceMemory. free: its free ranges, by offset, never two adjacent ones. */
typedef struct pnb_block {
    VkDeviceMemory memory;
    uint64_t bytes;
    uint32_t type;
    unsigned char *mapped; /* NULL where the host cannot see it */
    pnb_range *free;
    size_t free_count, free_capacity;
} pnb_block;

struct pnb_gpu_buffer {
    VkBuffer handle;
    pnb_block *block;
    pnb_range place;       /* in the block */
    uint64_t bytes;        /* as made: a multiple of 16 */
    unsigned char *mapped; /* NULL where the host cannot see it */
    char name[64];
};

/* A buffer of the host for copies, made when first needed. */
typedef struct pnb_staging {
    VkBuffer buffer;
    VkDeviceMemory memory;
    unsigned char *mapped;
    uint64_t bytes;
} pnb_staging;

pnb_status pnb_memory_init(pnb_gpu *gpu);
void pnb_memory_finish(pnb_gpu *gpu);

/* ---- kernel.c --------------------------------------------------------------------------------------------------- */

struct pnb_gpu_kernel {
    pnb_gpu_kernel_desc desc; /* shader points to the embedded name, or to own_name */
    char own_name[64];
    uint64_t hash;
    size_t index; /* in the order of making */
    VkDescriptorSetLayout set_layout; /* VK_NULL_HANDLE where there are no bindings */
    VkPipelineLayout layout;
    VkPipeline pipeline;
};

void pnb_kernels_finish(pnb_gpu *gpu);

/* ---- cache.c ---------------------------------------------------------------------------------------------------- */

void pnb_cache_open(pnb_gpu *gpu, const char *cache_dir); /* failures are warnings; gpu->cache may stay VK_NULL_HANDLE */
void pnb_cache_close(pnb_gpu *gpu);
/* A file in the cache folder (as params.cache_dir asks), for the caller to free; NULL for none. */
char *pnb_cache_path(const char *cache_dir, const char *name);
enum { PNB_UUID_TEXT_SIZE = 33 };
const char *pnb_uuid_text(const uint8_t uuid[16], char text[PNB_UUID_TEXT_SIZE]);

/* ---- choices_file.c ---------------------------------------------------------------------------------------------- */

void pnb_choices_open(pnb_gpu *gpu, const char *cache_dir); /* failures are warnings */

/* ---- submit.c --------------------------------------------------------------------------------------------------- */

pnb_status pnb_submit_init(pnb_gpu *gpu);
void pnb_submit_finish(pnb_gpu *gpu);
/* A command buffer that is used at once: begin, record, end (submits and waits). */
pnb_status pnb_once_begin(pnb_gpu *gpu, VkCommandBuffer *out);
pnb_status pnb_once_end(pnb_gpu *gpu);

/* ---- the device context ----------------------------------------------------------------------------------------- */

struct pnb_gpu {
    pnb_error *err, own_error; /* err points to own_error where the caller gave none */
    pnb_gpu_params params;
    pnb_gpu_caps caps;
    char choice[640];
    pnb_gpu_stats stats;
    pnb_messages messages;
    bool lost;
    char lost_message[PNB_ERROR_MESSAGE_SIZE];

    pnb_vki vki;
    VkPhysicalDevice physical;
    pnb_queue_choice queue_choice;
    VkDevice device;
    VkQueue queue;
    struct VolkDeviceTable vk;

    VkPhysicalDeviceMemoryProperties memory;
    pnb_block **blocks;
    size_t block_count, block_capacity;
    pnb_staging staging;
    bool force_staging;            /* testing.h */
    uint32_t fail_allocation_in;   /* testing.h: 0 never, n: the n-th allocation from now fails */

    pnb_gpu_kernel **kernels; /* open addressing, a power of two */
    size_t kernel_count, kernel_slots;

    pnb_choices *choices;
    char *choices_path; /* NULL: no file */

    VkPipelineCache cache;
    char *cache_path;  /* NULL: no file */
    uint64_t cache_loaded_hash;

    VkCommandPool once_pool;
    VkCommandBuffer once;
    VkFence fences[PNB_GPU_FENCES];
    uint64_t submitted, completed; /* submissions: numbers given out, and the last known to be done */
};

/* Fails with the sticky sentence on a lost device; otherwise PNB_OK. First line of every call that touches the device. */
pnb_status pnb_gpu_check(pnb_gpu *gpu);
/* The failure of a Vulkan call, in words: "<what>: <result>". Notes a lost device. PNB_OK on success. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
pnb_status pnb_vk_check(pnb_gpu *gpu, VkResult result, const char *format, ...);
void pnb_gpu_name_object(const pnb_gpu *gpu, VkObjectType type, uint64_t handle, const char *name);
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void pnb_gpu_log(const pnb_gpu *gpu, int level, const char *format, ...);

#endif
