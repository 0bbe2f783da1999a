/* libpenumbra_shaderc.so: the functions of a static libshaderc that src/io/spirv.c uses, in the order of its FUNCTIONS. Their own
 * names are hidden in Debian's archive. */
#include <shaderc/shaderc.h>

typedef void (*function)(void);

extern __attribute__((visibility("default"))) const function penumbra_shaderc[12];
const function penumbra_shaderc[12] = {
    (function)shaderc_compiler_initialize,
    (function)shaderc_compiler_release,
    (function)shaderc_compile_options_initialize,
    (function)shaderc_compile_options_release,
    (function)shaderc_compile_options_set_optimization_level,
    (function)shaderc_compile_options_set_target_env,
    (function)shaderc_compile_into_spv,
    (function)shaderc_result_get_compilation_status,
    (function)shaderc_result_get_error_message,
    (function)shaderc_result_get_length,
    (function)shaderc_result_get_bytes,
    (function)shaderc_result_release,
};
