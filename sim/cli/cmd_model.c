/* ristretto train, test: the float network. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/sections.h"
#include "finetune/quantized.h"
#include "report/report.h"
#include "report/table.h"
#include "train/train.h"

static rs_status print_json(const rs_train_result *r, rs_diag *diag)
{
    json_t *value = json_pack("{s:I, s:I, s:f, s:f, s:f, s:f}", "iterations", (json_int_t)r->iterations, "images",
                              (json_int_t)r->images, "seconds", r->seconds, "images_per_second", r->images_per_second,
                              "loss", r->loss, "accuracy", r->accuracy);
    if (value == NULL)
        return rs_out_of_memory(diag);
    rs_json_print(value, stdout);
    json_decref(value);
    return RS_OK;
}

rs_status rs_command_train(const rs_args *args, rs_diag *diag)
{
    rs_solver_param *solver = NULL;
    rs_data_override transform;
    rs_status status = rs_transform_options(args, &transform, diag);
    if (status == RS_OK)
        status = rs_caffe_read_solver(rs_args_text(args, "solver"), &solver, diag);
    if (status != RS_OK)
        return status;
    const bool quiet = rs_args_flag(args, "quiet"), json = rs_args_flag(args, "json");
    const rs_train_options options = {
        .data_folder = rs_args_text(args, "data"),
        .weights = rs_args_text(args, "weights"),
        .transform = &transform,
        .resume = rs_args_text(args, "resume"),
        .seed = (uint64_t)rs_args_int(args, "seed"),
        .max_iter = rs_args_int(args, "iterations"),
        .snapshot_prefix = rs_args_text(args, "out"),
        .log = quiet ? NULL : rs_train_log,
        .log_context = json ? stderr : stdout,
    };
    rs_train_result r = { .accuracy = -1.0 };
    bool quantized = false;
    status = rs_train_is_quantized(solver, &quantized, diag);
    if (status == RS_OK)
        status = quantized ? rs_train_quantized(solver, &options, &r, diag) : rs_train(solver, &options, &r, diag);
    if (status == RS_OK && json)
        status = print_json(&r, diag);
    else if (status == RS_OK && !quiet) {
        char iterations[RS_COUNT_TEXT], images[RS_COUNT_TEXT], rate[RS_COUNT_TEXT];
        printf("%s iterations, %s images in %.1f s: %s images/s; loss %.4f%s%s\n",
               rs_count_text(r.iterations, iterations), rs_count_text(r.images, images), r.seconds,
               rs_count_text((int64_t)(r.images_per_second + 0.5), rate), r.loss,
               r.weights_path[0] != '\0' ? "; weights in " : "", r.weights_path);
    }
    rs_solver_param_free(solver);
    return status;
}

rs_status rs_command_test(const rs_args *args, rs_diag *diag)
{
    rs_dataset *set = NULL;
    rs_net *net = NULL;
    json_t *section = NULL;
    rs_test_stage stage = { .top_k = (int)rs_args_int(args, "top"), .emulate = rs_args_flag(args, "emulate") };
    rs_data_override over;
    rs_status status = rs_transform_options(args, &over, diag);
    if (status == RS_OK)
        status = rs_open_data(args, &set, diag);
    if (status == RS_OK)
        status = rs_images_option(args, set, &stage.slice, diag);
    if (status == RS_OK)
        status = rs_stage_load(rs_args_text(args, "model"), rs_args_text(args, "weights"), set, &over, &net, diag);
    if (status == RS_OK)
        status = rs_net_choose_scores(net, rs_args_text(args, "score"), diag);
    if (status == RS_OK)
        status = rs_run_test(net, set, &stage, &section, diag);
    rs_net_free(net);
    rs_dataset_free(set);
    return rs_show_section(args, "test", section, status, diag);
}
