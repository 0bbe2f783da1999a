/* penumbra devices: what the Vulkan loader offers. */
#include "cli/cli.h"

#include <stddef.h>
#include <stdlib.h>

static int run(int argc, char **argv);

typedef struct values {
    bool json;
} values;
static const cli_option options[] = {{"json", 0, CLI_FLAG, offsetof(values, json), NULL, "as JSON"}};
const cli_command cli_devices = {"devices", "list the Vulkan devices of this machine", "[--json]", NULL,
                                 options,   sizeof options / sizeof *options,          0,          0,
                                 run};

static void show(size_t i, const pnb_device_info *d) {
    printf("%zu  %s\n", i, d->name);
    printf("   %s, Vulkan %u.%u.%u, %.1f GiB, %s%s\n", d->type, d->api_version >> 22, d->api_version >> 12 & 0x3ff,
           d->api_version & 0xfff, (double)d->memory_bytes / (1 << 30), d->driver,
           d->cooperative_matrix ? ", cooperative matrices" : "");
    if (!d->usable) printf("   not usable: %s\n", d->why_not);
}

static pnb_status list(pnb_context *ctx, bool json) {
    size_t count;
    pnb_status status = pnb_device_count(ctx, &count);
    if (status) return status;
    cJSON *all = cJSON_CreateObject(), *devices = cJSON_AddArrayToObject(all, "devices");
    for (size_t i = 0; i < count && status == PNB_OK; i++) {
        pnb_device_info info = PNB_DEVICE_INFO_INIT;
        status = pnb_device_get(ctx, i, &info);
        if (status) break;
        if (!json) show(i, &info);
        cJSON *d = cli_device_object(&info);
        cJSON_AddNumberToObject(d, "index", (double)i);
        cJSON_AddItemToArray(devices, d);
    }
    char *text = json && status == PNB_OK ? cJSON_Print(all) : NULL;
    if (text) printf("%s\n", text);
    free(text);
    cJSON_Delete(all);
    return status;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_devices, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) {
        pnb_status status = list(ctx, v.json);
        code = status ? cli_fail(&args, ctx, status) : 0;
    }
    return cli_close(&args, &ctx, code);
}
