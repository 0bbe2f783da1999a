/* Compute shaders of the user's own: SPIR-V that is checked before a driver sees it, and GLSL (a build with libshaderc). */
#ifndef PNB_IO_SPIRV_H
#define PNB_IO_SPIRV_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a shader may use: storage buffers at set 0, bindings 0 to bindings - 1, and push_bytes of push constants. */
typedef struct pnb_spirv_limits {
    uint32_t bindings, push_bytes;
} pnb_spirv_limits;

/* A module from a file of SPIR-V (by its first bytes) or of GLSL, as words for the caller to free. PNB_ERROR_INPUT: no such file, GLSL
 * that does not compile (with the compiler's first complaint) or that this build cannot compile, a module that fails the check. */
pnb_status pnb_spirv_read(pnb_error *err, const char *path, pnb_spirv_limits limits, uint32_t **code, size_t *bytes);
/* Whether GLSL can be compiled: a build with libshaderc's header, and the library found at run time. */
bool pnb_glsl_available(void);
/* Whether words make up a Vulkan 1.2 compute shader with an entry point "main", a local size from specialisation constant 0, no
 * capabilities beyond Shader, no images, and nothing bound beyond the limits. It is no full validation: drivers believe the rest. */
pnb_status pnb_spirv_check(pnb_error *err, const char *name, const uint32_t *code, size_t bytes, pnb_spirv_limits limits);

#endif
