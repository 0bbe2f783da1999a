// Linear invocation number of a dispatch whose workgroups were folded into x and y (pnb_groups_1d on the host).
#ifndef PNB_INDEX_GLSL
#define PNB_INDEX_GLSL
layout(local_size_x_id = 0) in; // here too: gl_WorkGroupSize read before this declaration would be 1 for ever
uint pnb_linear_id() {
    return (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
}
uint pnb_linear_group() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }
#endif
