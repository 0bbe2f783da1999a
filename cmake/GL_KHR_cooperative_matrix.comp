// Whether this toolchain compiles and checks cooperative matrices (CMakeLists.txt, "//! needs").
#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const int M = 16;
layout(set = 0, binding = 0) readonly buffer ABlock { float16_t a[]; };
layout(set = 0, binding = 1) writeonly buffer CBlock { float c[]; };

void main() {
    coopmat<float16_t, gl_ScopeSubgroup, M, 16, gl_MatrixUseA> x;
    coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB> y;
    coopmat<float, gl_ScopeSubgroup, M, 16, gl_MatrixUseAccumulator> z =
        coopmat<float, gl_ScopeSubgroup, M, 16, gl_MatrixUseAccumulator>(0.0);
    coopMatLoad(x, a, 0, 16, gl_CooperativeMatrixLayoutRowMajor);
    coopMatLoad(y, a, 0, 16, gl_CooperativeMatrixLayoutRowMajor);
    coopMatStore(coopMatMulAdd(x, y, z), c, 0, 16, gl_CooperativeMatrixLayoutRowMajor);
}
