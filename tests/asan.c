/* Linked into every program of an ASan build (PNB_ASAN): what drivers and layers leak is theirs, named here once. A module that
 * is unloaded when the program ends could not be named, so none ever is: the loader's dlclose is this one. */
#define EXPORTED __attribute__((visibility("default")))

EXPORTED const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    /* libstdc++: Penumbra is C; what operator new gave out belongs to a driver or layer */
    return "leak:libvulkan_\nleak:libVkLayer\nleak:libvk_swiftshader\nleak:libLLVM\nleak:libvulkan.so\nleak:libstdc++\n";
}

EXPORTED const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "quarantine_size_mb=16"; /* a software driver's compiler frees so much that more of it fills a machine */
}

EXPORTED int dlclose(void *module);
int dlclose(void *module) {
    (void)module;
    return 0;
}
