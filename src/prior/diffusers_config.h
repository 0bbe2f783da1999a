/* The shape of a U-Net of diffusers (UNet2DModel), as its config.json says it. */
#ifndef PNB_PRIOR_DIFFUSERS_CONFIG_H
#define PNB_PRIOR_DIFFUSERS_CONFIG_H

#include "prior/unet.h"

struct cJSON;

typedef struct pnb_diffusers_config {
    uint32_t side; /* of the images that it was trained with; 0: it does not say */
    pnb_unet unet; /* owned */
} pnb_diffusers_config;

/* Checks the configuration and every tensor, as pnb_adm_config_infer does. What would make it another network than the
 * one built here is named (PNB_ERROR_MODEL). */
pnb_status pnb_diffusers_config_infer(pnb_error *err, pnb_tensor_list tensors, const struct cJSON *config,
                                      pnb_diffusers_config *out);
void pnb_diffusers_config_finish(pnb_diffusers_config *c);

#endif
