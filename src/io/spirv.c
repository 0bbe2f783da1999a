/* A walk through the words of a module (SPIR-V specification, sections 2.3 and 3), and GLSL through libshaderc. */
#include "io/spirv.h"

#include "base/file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifdef PNB_SHADERC
#include <dlfcn.h>
#include <shaderc/shaderc.h>
#endif

enum { MAGIC = 0x07230203, HEADER = 5, NEWEST = 0x00010500, MAX_BYTES = 1 << 22 };
enum {
    OP_ENTRY_POINT = 15,
    OP_CAPABILITY = 17,
    OP_TYPE_IMAGE = 25,
    OP_TYPE_SAMPLER = 26,
    OP_TYPE_SAMPLED_IMAGE = 27,
    OP_TYPE_POINTER = 32,
    OP_DECORATE = 71,
    OP_MEMBER_DECORATE = 72
};
enum { CAPABILITY_MATRIX = 0, CAPABILITY_SHADER = 1, MODEL_COMPUTE = 5, CLASS_PUSH_CONSTANT = 9 };
enum { DECORATION_SPEC_ID = 1, DECORATION_BINDING = 33, DECORATION_SET = 34, DECORATION_OFFSET = 35 };

#define BAD(...) pnb_fail(err, PNB_ERROR_INPUT, __VA_ARGS__)

/* What the walk found. */
typedef struct findings {
    bool entry, local_size;
    uint32_t n_push, push_types[32]; /* what pointers to push constants point to: the block, and its members */
} findings;

static pnb_status visit(pnb_error *err, const char *name, const uint32_t *w, uint32_t n, pnb_spirv_limits limits, findings *f) {
    uint32_t op = w[0] & 0xffff;
    if (op == OP_ENTRY_POINT && n >= 5) {
        if (w[1] != MODEL_COMPUTE || w[3] != 0x6e69616d || (w[4] & 0xff) != 0) /* "main" */
            return BAD("shader '%s': expected one entry point, a compute shader's main", name);
        f->entry = true;
    }
    if (op == OP_CAPABILITY && n >= 2 && w[1] != CAPABILITY_MATRIX && w[1] != CAPABILITY_SHADER)
        return BAD("shader '%s': it needs capability %u; only Shader is there on every device", name, w[1]);
    if (op == OP_TYPE_IMAGE || op == OP_TYPE_SAMPLER || op == OP_TYPE_SAMPLED_IMAGE)
        return BAD("shader '%s': it uses images or samplers; only storage buffers are bound", name);
    if (op == OP_TYPE_POINTER && n >= 4 && w[2] == CLASS_PUSH_CONSTANT) {
        if (f->n_push == sizeof f->push_types / sizeof *f->push_types) return BAD("shader '%s': too many types of push constants", name);
        f->push_types[f->n_push++] = w[3];
    }
    if (op == OP_DECORATE && n >= 4) {
        if (w[2] == DECORATION_SPEC_ID && w[3] == 0) f->local_size = true;
        if (w[2] == DECORATION_SET && w[3] != 0) return BAD("shader '%s': it uses descriptor set %u; expected set 0", name, w[3]);
        if (w[2] == DECORATION_BINDING && w[3] >= limits.bindings)
            return BAD("shader '%s': it uses binding %u; there are %u, from 0 on", name, w[3], limits.bindings);
    }
    return PNB_OK;
}

static bool is_push(const findings *f, uint32_t type) {
    for (uint32_t i = 0; i < f->n_push; i++) {
        if (f->push_types[i] == type) return true;
    }
    return false;
}

/* Calls visit for each instruction, or (members) checks where push constants lie. */
static pnb_status walk(pnb_error *err, const char *name, const uint32_t *code, size_t words, pnb_spirv_limits limits, bool members,
                       findings *f) {
    for (size_t at = HEADER; at < words;) {
        uint32_t n = code[at] >> 16;
        const uint32_t *w = code + at;
        if (n == 0 || n > words - at) return BAD("shader '%s': the instruction at word %zu runs past the end: damaged", name, at);
        if (!members) PNB_TRY(visit(err, name, w, n, limits, f));
        bool offset = members && (w[0] & 0xffff) == OP_MEMBER_DECORATE && n >= 5 && w[3] == DECORATION_OFFSET && is_push(f, w[1]);
        if (offset && (w[4] >= limits.push_bytes || w[4] % 4))
            return BAD("shader '%s': a push constant at byte %u; there are %u bytes", name, w[4], limits.push_bytes);
        at += n;
    }
    return PNB_OK;
}

pnb_status pnb_spirv_check(pnb_error *err, const char *name, const uint32_t *code, size_t bytes, pnb_spirv_limits limits) {
    findings f = {0};
    if (bytes < HEADER * 4 || bytes % 4 || code[0] != MAGIC) return BAD("shader '%s': not a SPIR-V module of this byte order", name);
    if (code[1] > NEWEST) return BAD("shader '%s': SPIR-V %u.%u; Vulkan 1.2 takes 1.5", name, code[1] >> 16, code[1] >> 8 & 0xff);
    PNB_TRY(walk(err, name, code, bytes / 4, limits, false, &f));
    if (!f.entry) return BAD("shader '%s': it has no entry point main", name);
    if (!f.local_size)
        return BAD("shader '%s': its local size must be the device's choice: layout(local_size_x_id = 0) in;", name);
    return f.n_push ? walk(err, name, code, bytes / 4, limits, true, &f) : PNB_OK;
}

#ifdef PNB_SHADERC

/* libshaderc's functions, loaded when the first GLSL comes: the library needs it for nothing else. */
#define FUNCTIONS(X)                                                                                                                       \
    X(compiler_initialize)                                                                                                                 \
    X(compiler_release) X(compile_options_initialize) X(compile_options_release) X(compile_options_set_optimization_level)                 \
        X(compile_options_set_target_env) X(compile_into_spv) X(result_get_compilation_status) X(result_get_error_message)                 \
            X(result_get_length) X(result_get_bytes) X(result_release)
#define MEMBER(name) __typeof__(shaderc_##name) *name;
typedef struct compiler_functions {
    void *library;
    FUNCTIONS(MEMBER)
} compiler_functions;

static bool load_one(void *library, const char *name, void *function) {
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found); /* C has no cast from one to the other */
    return found != NULL;
}
#define LOAD(name) &&load_one(f->library, "shaderc_" #name, &f->name)

/* Of libpenumbra_shaderc.so (tools/shaderc.c): a table in the order of FUNCTIONS. */
#define TAKE(name) memcpy(&f->name, next++, sizeof f->name);
static bool load_table(compiler_functions *f) {
    typedef void (*function)(void);
    const function *next = dlsym(f->library, "penumbra_shaderc");
    if (!next) return false;
    FUNCTIONS(TAKE)
    return true;
}

static bool load(compiler_functions *f) {
    static const char *const names[] = {"libpenumbra_shaderc.so", "libshaderc_shared.so.1", "libshaderc_shared.so", "libshaderc.so.1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        f->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (f->library && (load_table(f) || (true FUNCTIONS(LOAD)))) return true;
        if (f->library) dlclose(f->library);
    }
    return false;
}

static pnb_status compile_with(pnb_error *err, const compiler_functions *f, const char *path, const char *text, size_t size,
                               uint32_t **code, size_t *bytes) {
    shaderc_compiler_t compiler = f->compiler_initialize();
    shaderc_compile_options_t options = compiler ? f->compile_options_initialize() : NULL;
    if (options) {
        f->compile_options_set_optimization_level(options, shaderc_optimization_level_performance);
        f->compile_options_set_target_env(options, shaderc_target_env_vulkan, shaderc_env_version_vulkan_1_2);
    }
    shaderc_compilation_result_t r =
        options ? f->compile_into_spv(compiler, text, size, shaderc_compute_shader, path, "main", options) : NULL;
    pnb_status status = PNB_OK;
    if (!r) {
        status = pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "shader '%s': the compiler could not start", path);
    } else if (f->result_get_compilation_status(r) != shaderc_compilation_status_success) {
        const char *why = f->result_get_error_message(r);
        status = BAD("shader '%s': it does not compile: %.*s", path, (int)strcspn(why, "\n"), why);
    } else {
        *bytes = f->result_get_length(r);
        *code = malloc(*bytes ? *bytes : 1);
        if (*code) memcpy(*code, f->result_get_bytes(r), *bytes);
        else status = pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "shader '%s': no host memory", path);
    }
    if (r) f->result_release(r);
    if (options) f->compile_options_release(options);
    if (compiler) f->compiler_release(compiler);
    return status;
}

bool pnb_glsl_available(void) {
    compiler_functions f;
    bool found = load(&f);
    if (found) dlclose(f.library);
    return found;
}

static pnb_status compile(pnb_error *err, const char *path, const char *text, size_t size, uint32_t **code, size_t *bytes) {
    compiler_functions f;
    if (!load(&f))
        return BAD(
            "shader '%s': no SPIR-V, and libshaderc, which compiles GLSL, is not installed: compile it with glslc -O FILE -o FILE.spv",
            path);
    pnb_status status = compile_with(err, &f, path, text, size, code, bytes);
    dlclose(f.library);
    return status;
}

#else

bool pnb_glsl_available(void) {
    return false;
}

static pnb_status compile(pnb_error *err, const char *path, const char *text, size_t size, uint32_t **code, size_t *bytes) {
    (void)text;
    (void)size;
    (void)code;
    (void)bytes;
    return BAD("shader '%s': no SPIR-V, and this build compiles no GLSL (libshaderc): compile it with glslc -O FILE -o FILE.spv", path);
}

#endif

pnb_status pnb_spirv_read(pnb_error *err, const char *path, pnb_spirv_limits limits, uint32_t **code, size_t *bytes) {
    void *data;
    size_t size;
    uint32_t magic = 0;
    *code = NULL;
    *bytes = 0;
    PNB_TRY(pnb_file_read(err, path, MAX_BYTES, &data, &size));
    if (size >= 4) memcpy(&magic, data, 4);
    pnb_status status = PNB_OK;
    if (magic == MAGIC) {
        *code = data; /* malloc'd: aligned */
        *bytes = size;
    } else {
        status = compile(err, path, data, size, code, bytes);
        free(data);
    }
    if (status == PNB_OK) status = pnb_spirv_check(err, path, *code, *bytes, limits);
    if (status == PNB_OK) return PNB_OK;
    free(*code);
    *code = NULL;
    return status;
}
