/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/settings.h"
#include "model/net.h"

/* train - fits an autoencoder's weights: mini-batches, Adam, feature dropout, early stopping
 *
 * The loss of a row is the mean of (y - z)^2 over the features with weight 1 in that row; of a
 * batch, the mean over its rows. Each time a row is shown, each feature's input is replaced by
 * `hidden` with the chance spec->feature_dropout, while the loss still asks for its true value (as
 * in a denoising autoencoder: Vincent et al., ICML 2008): so the network learns to tell a feature
 * from the others, and a missing one does not derail it.
 * Deterministic: same rows, spec and starting weights give the same bytes.
 * Thread: runs in the caller's; one thread, since we are a guest on the machine that we watch. */

struct train_set {
    size_t rows, n;
    const float *z;        /* [rows][n] finite: what the network sees and shall give back */
    const uint8_t *weight; /* [rows][n] 1 where the loss counts it, else 0 */
    /* [n], or NULL: 1 where the validation measure counts a squared error over 1 as 1, so that a
     * few wild values cannot choose the epoch. The loss itself is never cut. */
    const uint8_t *bounded;
};

struct train_result {
    double validation_mse; /* of the weights that were kept: mean over rows of the loss, bounded */
    uint32_t epochs;       /* that they took; 0 when no epoch was better than the start */
};

/* After each epoch; false cancels. */
typedef bool train_progress_fn(void *arg, uint32_t done, uint32_t of, double validation_mse);

/* Epochs that spec allows for so many rows: its own number, or, when that is 0, TRAIN_EPOCHS, and
 * more for so few rows that they would not make TRAIN_STEPS batches. */
enum { TRAIN_EPOCHS = 100, TRAIN_STEPS = 8000, TRAIN_EPOCHS_MAX = 2000 };
uint32_t train_epochs(const struct learn_spec *spec, size_t rows);

/* net holds the starting weights, and the best ones (by the validation set) afterwards. hidden[n]
 * is what a hidden feature's input becomes. progress may be NULL. E_NOMEM; E_STATE when cancelled,
 * or when no row of one of the sets has a feature that counts. */
MUST_CHECK enum rc train_net(struct net *net, const struct train_set *train,
                             const struct train_set *validation, const float *hidden,
                             const struct learn_spec *spec, train_progress_fn *progress, void *arg,
                             struct train_result *ret, struct err *err);
