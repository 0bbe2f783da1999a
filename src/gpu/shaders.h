/* The SPIR-V modules embedded in the library, sorted by name; generated at build time by tools/embed.c. */
#ifndef PNB_GPU_SHADERS_H
#define PNB_GPU_SHADERS_H

#include <stddef.h>
#include <stdint.h>

typedef struct pnb_shader {
    const char *name; /* "ops/conv2d" or "ops/conv2d.texel" */
    const uint32_t *code;
    size_t bytes;
} pnb_shader;

extern const pnb_shader pnb_shaders[];
extern const size_t pnb_shader_count;

#endif
