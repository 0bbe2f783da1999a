/* The shape of an ADM U-Net: worked out from the names and shapes of its tensors, and laid out as a list of layers. */
#ifndef PNB_PRIOR_ADM_CONFIG_H
#define PNB_PRIOR_ADM_CONFIG_H

#include "prior/unet.h"

enum { PNB_ADM_MAX_LEVELS = 12 };

/* What names and shapes do not tell. Zero (or negative) values mean "not given". */
typedef struct pnb_adm_hints {
    int32_t head_channels, heads;
    bool new_order;
} pnb_adm_hints;

typedef struct pnb_adm_config {
    uint32_t in_channels, out_channels, model_channels, res_blocks, levels, classes;
    uint32_t channels[PNB_ADM_MAX_LEVELS]; /* of each level */
    bool attention[PNB_ADM_MAX_LEVELS];
    bool scale_shift, resblock_updown, conv_resample, new_order;
    uint32_t head_channels, heads; /* one of them is 0 */
    bool heads_assumed;
    pnb_unet unet; /* owned, from the fields above */
} pnb_adm_config;

/* Works it out and checks every tensor: unknown, missing or misshapen ones are named (PNB_ERROR_MODEL). */
pnb_status pnb_adm_config_infer(pnb_error *err, const pnb_tensor_info *tensors, size_t count, pnb_adm_hints hints,
                                pnb_adm_config *out);
/* Fills `unet` from the other fields (heads included), for a network that is made from scratch. */
pnb_status pnb_adm_config_lay_out(pnb_error *err, pnb_adm_config *c);
void pnb_adm_config_finish(pnb_adm_config *c);

/* One sentence into buf. */
void pnb_adm_config_text(const pnb_adm_config *c, char *buf, size_t size);

#endif
