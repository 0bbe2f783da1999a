/* The Vulkan loader and instances: loaded at run time, one instance a context, validation on request. */
#define VOLK_IMPLEMENTATION
#include "gpu/internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALIDATION_LAYER "VK_LAYER_KHRONOS_validation"

/* The loader is one library in the process: found once, and its own globals are written under this lock only. */
static pthread_mutex_t loader_lock = PTHREAD_MUTEX_INITIALIZER;

const char *pnb_vk_result_text(VkResult result) {
    switch (result) {
    case VK_SUCCESS: return "success";
    case VK_NOT_READY: return "not ready";
    case VK_TIMEOUT: return "timeout";
    case VK_ERROR_OUT_OF_HOST_MEMORY: return "out of host memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: return "out of device memory";
    case VK_ERROR_INITIALIZATION_FAILED: return "initialisation failed";
    case VK_ERROR_DEVICE_LOST: return "device lost";
    case VK_ERROR_MEMORY_MAP_FAILED: return "mapping memory failed";
    case VK_ERROR_LAYER_NOT_PRESENT: return "a layer is not installed";
    case VK_ERROR_EXTENSION_NOT_PRESENT: return "an extension is not there";
    case VK_ERROR_FEATURE_NOT_PRESENT: return "a feature is not there";
    case VK_ERROR_INCOMPATIBLE_DRIVER: return "no compatible driver";
    case VK_ERROR_TOO_MANY_OBJECTS: return "too many objects";
    case VK_ERROR_FRAGMENTED_POOL: return "fragmented pool";
    case VK_ERROR_OUT_OF_POOL_MEMORY: return "out of pool memory";
    case VK_ERROR_FRAGMENTATION: return "fragmentation";
    case VK_ERROR_INVALID_SHADER_NV: return "invalid shader";
    default: return "unknown error";
    }
}

/* Under the lock. */
static bool loader_open(void) {
    if (vkCreateInstance) return true;
    return volkInitialize() == VK_SUCCESS && vkCreateInstance && vkEnumerateInstanceLayerProperties;
}

static bool has_layer(const char *name) {
    uint32_t n = 0;
    if (vkEnumerateInstanceLayerProperties(&n, NULL) != VK_SUCCESS || n == 0) return false;
    VkLayerProperties *all = calloc(n, sizeof *all);
    bool found = false;
    if (all && vkEnumerateInstanceLayerProperties(&n, all) >= 0) {
        for (uint32_t i = 0; i < n; i++) found |= strcmp(all[i].layerName, name) == 0;
    }
    free(all);
    return found;
}

static bool has_extension(const char *layer, const char *name) {
    uint32_t n = 0;
    if (vkEnumerateInstanceExtensionProperties(layer, &n, NULL) != VK_SUCCESS || n == 0) return false;
    VkExtensionProperties *all = calloc(n, sizeof *all);
    bool found = false;
    if (all && vkEnumerateInstanceExtensionProperties(layer, &n, all) >= 0) {
        for (uint32_t i = 0; i < n; i++) found |= strcmp(all[i].extensionName, name) == 0;
    }
    free(all);
    return found;
}

bool pnb_gpu_has_validation(void) {
    pthread_mutex_lock(&loader_lock);
    bool found = loader_open() && has_layer(VALIDATION_LAYER);
    pthread_mutex_unlock(&loader_lock);
    return found;
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data, void *user) {
    (void)severity;
    (void)types;
    pnb_messages *m = user;
    const char *text = data && data->pMessage ? data->pMessage : "(no text)";
    if (m->count++ == 0) snprintf(m->first, sizeof m->first, "%s", text);
    if (m->gpu) pnb_gpu_log(m->gpu, 1, "validation: %s", text);
    return VK_FALSE;
}

static VkDebugUtilsMessengerCreateInfoEXT messenger_info(pnb_messages *messages) {
    return (VkDebugUtilsMessengerCreateInfoEXT){
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = messages,
    };
}

static VkResult create_instance(pnb_messages *messages, bool debug_utils, VkInstance *out) {
    VkApplicationInfo app = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "penumbra",
        .pEngineName = "penumbra",
        .apiVersion = VK_API_VERSION_1_2,
    };
    VkValidationFeatureEnableEXT enables[] = {VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
    VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info(messages);
    VkValidationFeaturesEXT features = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .pNext = &messenger,
        .enabledValidationFeatureCount = 1,
        .pEnabledValidationFeatures = enables,
    };
    const char *layers[] = {VALIDATION_LAYER};
    const char *extensions[3];
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app};
    if (debug_utils) extensions[info.enabledExtensionCount++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    if (messages) {
        info.pNext = &features;
        info.enabledLayerCount = 1;
        info.ppEnabledLayerNames = layers;
        extensions[info.enabledExtensionCount++] = VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME;
    }
    if (has_extension(NULL, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) { /* layered drivers, as on macOS */
        extensions[info.enabledExtensionCount++] = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
        info.flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    }
    info.ppEnabledExtensionNames = extensions;
    return vkCreateInstance(&info, NULL, out);
}

#define LOAD(name) vki->name = (PFN_vk##name)vkGetInstanceProcAddr(vki->handle, "vk" #name)

static void load_functions(pnb_vki *vki, bool debug_utils) {
    LOAD(DestroyInstance);
    LOAD(EnumeratePhysicalDevices);
    LOAD(GetPhysicalDeviceProperties);
    LOAD(GetPhysicalDeviceProperties2);
    LOAD(GetPhysicalDeviceFeatures2);
    LOAD(GetPhysicalDeviceMemoryProperties);
    LOAD(GetPhysicalDeviceQueueFamilyProperties);
    LOAD(CreateDevice);
    LOAD(EnumerateDeviceExtensionProperties);
    vki->GetPhysicalDeviceCooperativeMatrixPropertiesKHR =
        vkGetInstanceProcAddr(vki->handle, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    if (debug_utils) {
        LOAD(CreateDebugUtilsMessengerEXT);
        LOAD(DestroyDebugUtilsMessengerEXT);
        LOAD(SetDebugUtilsObjectNameEXT);
        LOAD(CmdBeginDebugUtilsLabelEXT);
        LOAD(CmdEndDebugUtilsLabelEXT);
    }
    if (!vkGetDeviceProcAddr) { /* the loader's own, the same for every instance: volkLoadDeviceTable reads it */
        vkGetDeviceProcAddr = (PFN_vkGetDeviceProcAddr)vkGetInstanceProcAddr(vki->handle, "vkGetDeviceProcAddr");
    }
}

static pnb_status create_locked(pnb_error *err, pnb_messages *messages, pnb_vki *vki) {
    if (!loader_open()) {
        return pnb_fail(err, PNB_ERROR_NO_DEVICE,
                        "no Vulkan loader was found: install libvulkan1 (Debian), vulkan-loader (Fedora) or vulkan-icd-loader (Arch) "
                        "and a driver");
    }
    if (volkGetInstanceVersion() < VK_API_VERSION_1_1) {
        return pnb_fail(err, PNB_ERROR_NO_DEVICE, "the Vulkan loader knows version 1.0 only: install a newer one (1.2 is needed)");
    }
    bool debug_utils = has_extension(NULL, VK_EXT_DEBUG_UTILS_EXTENSION_NAME);
    if (messages && (!has_layer(VALIDATION_LAYER) || !debug_utils)) {
        return pnb_fail(err, PNB_ERROR_USAGE,
                        "validation was asked for, but the layer " VALIDATION_LAYER " is not installed: install "
                        "vulkan-validationlayers or run without validation");
    }
    VkResult r = create_instance(messages, debug_utils, &vki->handle);
    if (r == VK_ERROR_OUT_OF_HOST_MEMORY) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "creating a Vulkan instance: out of memory");
    if (r != VK_SUCCESS) {
        return pnb_fail(err, PNB_ERROR_NO_DEVICE,
                        "no Vulkan driver could be started (%s): install the driver of your GPU, or mesa-vulkan-drivers for a software "
                        "device, and check VK_ICD_FILENAMES if it is set",
                        pnb_vk_result_text(r));
    }
    load_functions(vki, debug_utils);
    return PNB_OK;
}

pnb_status pnb_vki_create(pnb_error *err, pnb_messages *messages, pnb_vki *out) {
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&loader_lock);
    pnb_status status = create_locked(err, messages, out);
    pthread_mutex_unlock(&loader_lock);
    PNB_TRY(status);
    if (messages) {
        VkDebugUtilsMessengerCreateInfoEXT info = messenger_info(messages);
        VkResult r = out->CreateDebugUtilsMessengerEXT(out->handle, &info, NULL, &out->messenger);
        if (r != VK_SUCCESS) {
            pnb_vki_destroy(out);
            return pnb_fail(err, PNB_ERROR_INTERNAL, "creating the validation messenger: %s", pnb_vk_result_text(r));
        }
    }
    return PNB_OK;
}

void pnb_vki_destroy(pnb_vki *vki) {
    if (!vki->handle) return;
    if (vki->messenger) vki->DestroyDebugUtilsMessengerEXT(vki->handle, vki->messenger, NULL);
    pthread_mutex_lock(&loader_lock);
    vki->DestroyInstance(vki->handle, NULL);
    pthread_mutex_unlock(&loader_lock);
    memset(vki, 0, sizeof *vki);
}
