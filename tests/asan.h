/* Under AddressSanitizer: what drivers and layers leak is theirs, named here once. Include from one file of a test program and
 * call test_asan_keep_modules while a device is open: a module that is unloaded at the end could not be named. */
#ifndef PNB_TESTS_ASAN_H
#define PNB_TESTS_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_ASAN 1
#endif
#endif

#ifdef TEST_ASAN
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    /* libstdc++: Penumbra is C; what operator new gave out belongs to a driver or layer */
    return "leak:libvulkan_\nleak:libVkLayer\nleak:libvk_swiftshader\nleak:libLLVM\nleak:libvulkan.so\nleak:libstdc++\n";
}

static inline void test_asan_keep_modules(void) {
    char line[1024];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        char *path = strchr(line, '/');
        if (!path || !(strstr(path, "vulkan") || strstr(path, "libVkLayer") || strstr(path, "swiftshader"))) continue;
        path[strcspn(path, "\n")] = 0;
        if (strstr(path, ".so")) dlopen(path, RTLD_NOW); /* never closed */
    }
    if (maps) fclose(maps);
}
#else
static inline void test_asan_keep_modules(void) {}
#endif

#endif
