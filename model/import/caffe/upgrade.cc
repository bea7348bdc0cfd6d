// Older forms of layers, brought into the present one.
#include "import/caffe/upgrade.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "import/caffe/text.h"

namespace ristretto
{

const std::vector<LayerType> &layer_types()
{
    static const std::vector<LayerType> types = {
        { "Input", RS_LAYER_INPUT, false, false, { "input_param" } },
        { "Data", RS_LAYER_INPUT, true, false, { "data_param", "transform_param" } },
        { "ImageData", RS_LAYER_INPUT, true, false, { "image_data_param", "transform_param" } },
        { "MemoryData", RS_LAYER_INPUT, true, false, { "memory_data_param", "transform_param" } },
        { "Convolution", RS_LAYER_CONVOLUTION, false, false, { "convolution_param" } },
        { "ConvolutionRistretto", RS_LAYER_CONVOLUTION, false, true, { "convolution_param", "quantization_param" } },
        { "InnerProduct", RS_LAYER_INNER_PRODUCT, false, false, { "inner_product_param" } },
        { "FcRistretto", RS_LAYER_INNER_PRODUCT, false, true, { "inner_product_param", "quantization_param" } },
        { "Pooling", RS_LAYER_POOLING, false, false, { "pooling_param" } },
        { "ReLU", RS_LAYER_RELU, false, false, { "relu_param" } },
        { "Softmax", RS_LAYER_SOFTMAX, false, false, { "softmax_param" } },
        { "SoftmaxWithLoss", RS_LAYER_SOFTMAX_LOSS, false, false, { "softmax_param", "loss_param" } },
        { "Accuracy", RS_LAYER_ACCURACY, false, false, { "accuracy_param" } },
        { "Dropout", RS_LAYER_DROPOUT, false, false, { "dropout_param" } },
        { "LRN", RS_LAYER_LRN, false, false, { "lrn_param" } },
        { "Concat", RS_LAYER_CONCAT, false, false, { "concat_param" } },
        { "Slice", RS_LAYER_SLICE, false, false, { "slice_param" } },
        { "Split", RS_LAYER_SPLIT, false, false, {} },
        { "Deconvolution", RS_LAYER_DECONVOLUTION, false, false, { "convolution_param" } },
        { "PReLU", RS_LAYER_PRELU, false, false, { "prelu_param" } },
        { "Clip", RS_LAYER_CLIP, false, false, { "clip_param" } },
        { "QuantizeLinear", RS_LAYER_QUANTIZE_LINEAR, false, false, { "quantize_linear_param" } },
        { "ELU", RS_LAYER_ELU, false, false, { "elu_param" } },
        { "Sigmoid", RS_LAYER_SIGMOID, false, false, { "sigmoid_param" } },
        { "TanH", RS_LAYER_TANH, false, false, { "tanh_param" } },
        { "BatchNorm", RS_LAYER_BATCH_NORM, false, false, { "batch_norm_param" } },
        { "Scale", RS_LAYER_SCALE, false, false, { "scale_param" } },
        { "Bias", RS_LAYER_BIAS, false, false, { "bias_param" } },
        { "EuclideanLoss", RS_LAYER_EUCLIDEAN_LOSS, false, false, { "loss_param" } },
        { "Eltwise", RS_LAYER_ELTWISE, false, false, { "eltwise_param" } },
        { "Flatten", RS_LAYER_FLATTEN, false, false, { "flatten_param" } },
        { "Reshape", RS_LAYER_RESHAPE, false, false, { "reshape_param" } },
    };
    return types;
}

const LayerType *find_layer_type(const std::string &name)
{
    for (const LayerType &t : layer_types())
        if (name == t.name)
            return &t;
    return nullptr;
}

std::string unsupported_type_hint(const std::string &name, bool *known_to_caffe)
{
    static const char *const others[] = {
        "AbsVal",
        "ArgMax",
        "BatchReindex",
        "BNLL",
        "ContrastiveLoss",
        "Crop",
        "DeconvolutionRistretto",
        "DummyData",
        "Embed",
        "Exp",
        "Filter",
        "HDF5Data",
        "HDF5Output",
        "HingeLoss",
        "Im2col",
        "InfogainLoss",
        "Log",
        "LRNRistretto",
        "LSTM",
        "LSTMUnit",
        "MultinomialLogisticLoss",
        "MVN",
        "Parameter",
        "Power",
        "Python",
        "Reduction",
        "RNN",
        "SigmoidCrossEntropyLoss",
        "Silence",
        "SPP",
        "Swish",
        "Threshold",
        "Tile",
        "WindowData",
    };
    std::vector<std::string> supported;
    std::string list;
    for (const LayerType &t : layer_types()) {
        supported.push_back(t.name);
        list += (list.empty() ? "" : ", ") + std::string(t.name);
    }
    *known_to_caffe = std::find(std::begin(others), std::end(others), name) != std::end(others);
    const std::string nearest = *known_to_caffe ? "" : did_you_mean(name, supported);
    return nearest.empty() ? "supported are " + list : nearest;
}

std::string v1_type_name(caffe::V1LayerParameter::LayerType type)
{
    using V1 = caffe::V1LayerParameter;
    switch (type) {
    case V1::NONE:
        return "";
    case V1::ACCURACY:
        return "Accuracy";
    case V1::BNLL:
        return "BNLL";
    case V1::CONCAT:
        return "Concat";
    case V1::CONVOLUTION:
        return "Convolution";
    case V1::DATA:
        return "Data";
    case V1::DROPOUT:
        return "Dropout";
    case V1::EUCLIDEAN_LOSS:
        return "EuclideanLoss";
    case V1::FLATTEN:
        return "Flatten";
    case V1::HDF5_DATA:
        return "HDF5Data";
    case V1::HDF5_OUTPUT:
        return "HDF5Output";
    case V1::IM2COL:
        return "Im2col";
    case V1::IMAGE_DATA:
        return "ImageData";
    case V1::INFOGAIN_LOSS:
        return "InfogainLoss";
    case V1::INNER_PRODUCT:
        return "InnerProduct";
    case V1::LRN:
        return "LRN";
    case V1::MULTINOMIAL_LOGISTIC_LOSS:
        return "MultinomialLogisticLoss";
    case V1::POOLING:
        return "Pooling";
    case V1::RELU:
        return "ReLU";
    case V1::SIGMOID:
        return "Sigmoid";
    case V1::SOFTMAX:
        return "Softmax";
    case V1::SOFTMAX_LOSS:
        return "SoftmaxWithLoss";
    case V1::SPLIT:
        return "Split";
    case V1::TANH:
        return "TanH";
    case V1::WINDOW_DATA:
        return "WindowData";
    case V1::ELTWISE:
        return "Eltwise";
    case V1::POWER:
        return "Power";
    case V1::SIGMOID_CROSS_ENTROPY_LOSS:
        return "SigmoidCrossEntropyLoss";
    case V1::HINGE_LOSS:
        return "HingeLoss";
    case V1::MEMORY_DATA:
        return "MemoryData";
    case V1::ARGMAX:
        return "ArgMax";
    case V1::THRESHOLD:
        return "Threshold";
    case V1::DUMMY_DATA:
        return "DummyData";
    case V1::SLICE:
        return "Slice";
    case V1::MVN:
        return "MVN";
    case V1::ABSVAL:
        return "AbsVal";
    case V1::SILENCE:
        return "Silence";
    case V1::CONTRASTIVE_LOSS:
        return "ContrastiveLoss";
    case V1::EXP:
        return "Exp";
    case V1::DECONVOLUTION:
        return "Deconvolution";
    }
    return "";
}

void upgrade_v1(const caffe::V1LayerParameter &old, caffe::LayerParameter *layer)
{
    // Fields that kept their name kept their meaning: they are copied by name.
    const google::protobuf::Reflection *from = old.GetReflection(), *to = layer->GetReflection();
    std::vector<const FieldDescriptor *> fields;
    from->ListFields(old, &fields);
    for (const FieldDescriptor *f : fields) {
        const FieldDescriptor *g = layer->GetDescriptor()->FindFieldByName(f->name());
        if (g == nullptr || g->cpp_type() != f->cpp_type() || g->is_repeated() != f->is_repeated())
            continue;
        const int n = f->is_repeated() ? from->FieldSize(old, f) : 1;
        for (int i = 0; i < n; i++) {
            if (f->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && f->is_repeated())
                to->AddMessage(layer, g)->CopyFrom(from->GetRepeatedMessage(old, f, i));
            else if (f->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
                to->MutableMessage(layer, g)->CopyFrom(from->GetMessage(old, f));
            else if (f->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT && f->is_repeated())
                to->AddFloat(layer, g, from->GetRepeatedFloat(old, f, i));
            else if (f->cpp_type() == FieldDescriptor::CPPTYPE_STRING && f->is_repeated())
                to->AddString(layer, g, from->GetRepeatedString(old, f, i));
            else if (f->cpp_type() == FieldDescriptor::CPPTYPE_STRING)
                to->SetString(layer, g, from->GetString(old, f));
        }
    }

    layer->set_type(v1_type_name(old.type()));
    const int n = std::max(
        { old.param_size(), old.blobs_lr_size(), old.weight_decay_size(), old.blob_share_mode_size() });
    for (int i = 0; i < n; i++) {
        caffe::ParamSpec *spec = layer->add_param();
        if (i < old.param_size() && !old.param(i).empty())
            spec->set_name(old.param(i));
        if (i < old.blob_share_mode_size())
            spec->set_share_mode(old.blob_share_mode(i) == caffe::V1LayerParameter::PERMISSIVE
                                     ? caffe::ParamSpec::PERMISSIVE
                                     : caffe::ParamSpec::STRICT);
        if (i < old.blobs_lr_size())
            spec->set_lr_mult(old.blobs_lr(i));
        if (i < old.weight_decay_size())
            spec->set_decay_mult(old.weight_decay(i));
    }
}

bool is_v0_padding(const caffe::V1LayerParameter &layer)
{
    return layer.has_layer() && layer.layer().type() == "padding";
}

// The first form has one flat message: each field belongs to certain types (as in Caffe's upgrade_proto.cpp).
bool upgrade_v0(const caffe::V1LayerParameter &old, caffe::V1LayerParameter *layer, std::string *what)
{
    using V1 = caffe::V1LayerParameter;
    static const std::pair<const char *, V1::LayerType> types[] = {
        { "accuracy", V1::ACCURACY },
        { "bnll", V1::BNLL },
        { "concat", V1::CONCAT },
        { "conv", V1::CONVOLUTION },
        { "data", V1::DATA },
        { "dropout", V1::DROPOUT },
        { "euclidean_loss", V1::EUCLIDEAN_LOSS },
        { "flatten", V1::FLATTEN },
        { "hdf5_data", V1::HDF5_DATA },
        { "hdf5_output", V1::HDF5_OUTPUT },
        { "im2col", V1::IM2COL },
        { "images", V1::IMAGE_DATA },
        { "infogain_loss", V1::INFOGAIN_LOSS },
        { "innerproduct", V1::INNER_PRODUCT },
        { "lrn", V1::LRN },
        { "multinomial_logistic_loss", V1::MULTINOMIAL_LOGISTIC_LOSS },
        { "pool", V1::POOLING },
        { "relu", V1::RELU },
        { "sigmoid", V1::SIGMOID },
        { "softmax", V1::SOFTMAX },
        { "softmax_loss", V1::SOFTMAX_LOSS },
        { "split", V1::SPLIT },
        { "tanh", V1::TANH },
        { "window_data", V1::WINDOW_DATA },
    };
    const caffe::V0LayerParameter &v0 = old.layer();
    layer->mutable_bottom()->CopyFrom(old.bottom());
    layer->mutable_top()->CopyFrom(old.top());
    layer->set_name(v0.name());
    layer->mutable_blobs()->CopyFrom(v0.blobs());
    layer->mutable_blobs_lr()->CopyFrom(v0.blobs_lr());
    layer->mutable_weight_decay()->CopyFrom(v0.weight_decay());

    std::vector<std::string> names;
    bool known = false;
    for (const auto &t : types) {
        names.push_back(t.first);
        if (v0.type() == t.first) {
            layer->set_type(t.second);
            known = true;
        }
    }
    if (!known) {
        const std::string hint = did_you_mean(v0.type(), names);
        *what = (v0.type().empty() ? "no type" : "unknown type " + quoted(v0.type())) +
                (hint.empty() ? "" : ", " + hint);
        return false;
    }

    const V1::LayerType type = layer->type();
    const bool conv = type == V1::CONVOLUTION, ip = type == V1::INNER_PRODUCT, pool = type == V1::POOLING;
    const bool lrn = type == V1::LRN, data = type == V1::DATA, images = type == V1::IMAGE_DATA;
    const bool window = type == V1::WINDOW_DATA, hdf5 = type == V1::HDF5_DATA;
    // Takes field `name` if the file gives it: false if it has no place in this type.
    auto misplaced = [&](bool given, bool belongs, const char *name) {
        if (given && !belongs && what->empty())
            *what = std::string("a field ") + name + ", which its type " + quoted(v0.type()) + " does not have";
        return given && belongs;
    };
    if (misplaced(v0.has_num_output(), conv || ip, "num_output")) {
        if (conv)
            layer->mutable_convolution_param()->set_num_output(v0.num_output());
        else
            layer->mutable_inner_product_param()->set_num_output(v0.num_output());
    }
    if (misplaced(v0.has_biasterm(), conv || ip, "biasterm")) {
        if (conv)
            layer->mutable_convolution_param()->set_bias_term(v0.biasterm());
        else
            layer->mutable_inner_product_param()->set_bias_term(v0.biasterm());
    }
    if (misplaced(v0.has_weight_filler(), conv || ip, "weight_filler"))
        (conv ? layer->mutable_convolution_param()->mutable_weight_filler()
              : layer->mutable_inner_product_param()->mutable_weight_filler())
            ->CopyFrom(v0.weight_filler());
    if (misplaced(v0.has_bias_filler(), conv || ip, "bias_filler"))
        (conv ? layer->mutable_convolution_param()->mutable_bias_filler()
              : layer->mutable_inner_product_param()->mutable_bias_filler())
            ->CopyFrom(v0.bias_filler());
    if (misplaced(v0.has_pad(), conv || pool, "pad")) {
        if (conv)
            layer->mutable_convolution_param()->add_pad(v0.pad());
        else
            layer->mutable_pooling_param()->set_pad(v0.pad());
    }
    if (misplaced(v0.has_kernelsize(), conv || pool, "kernelsize")) {
        if (conv)
            layer->mutable_convolution_param()->add_kernel_size(v0.kernelsize());
        else
            layer->mutable_pooling_param()->set_kernel_size(v0.kernelsize());
    }
    if (misplaced(v0.has_group(), conv, "group"))
        layer->mutable_convolution_param()->set_group(v0.group());
    if (misplaced(v0.has_stride(), conv || pool, "stride")) {
        if (conv)
            layer->mutable_convolution_param()->add_stride(v0.stride());
        else
            layer->mutable_pooling_param()->set_stride(v0.stride());
    }
    if (misplaced(v0.has_pool(), pool, "pool"))
        layer->mutable_pooling_param()->set_pool(static_cast<caffe::PoolingParameter::PoolMethod>(v0.pool()));
    if (misplaced(v0.has_dropout_ratio(), type == V1::DROPOUT, "dropout_ratio"))
        layer->mutable_dropout_param()->set_dropout_ratio(v0.dropout_ratio());
    if (misplaced(v0.has_local_size(), lrn, "local_size"))
        layer->mutable_lrn_param()->set_local_size(v0.local_size());
    if (misplaced(v0.has_alpha(), lrn, "alpha"))
        layer->mutable_lrn_param()->set_alpha(v0.alpha());
    if (misplaced(v0.has_beta(), lrn, "beta"))
        layer->mutable_lrn_param()->set_beta(v0.beta());
    if (misplaced(v0.has_k(), lrn, "k"))
        layer->mutable_lrn_param()->set_k(v0.k());
    if (misplaced(v0.has_source(), data || images || window || hdf5 || type == V1::INFOGAIN_LOSS, "source")) {
        if (data)
            layer->mutable_data_param()->set_source(v0.source());
        else if (images)
            layer->mutable_image_data_param()->set_source(v0.source());
        else if (window)
            layer->mutable_window_data_param()->set_source(v0.source());
        else if (hdf5)
            layer->mutable_hdf5_data_param()->set_source(v0.source());
        else
            layer->mutable_infogain_loss_param()->set_source(v0.source());
    }
    if (misplaced(v0.has_batchsize(), data || images || window || hdf5, "batchsize")) {
        if (data)
            layer->mutable_data_param()->set_batch_size(v0.batchsize());
        else if (images)
            layer->mutable_image_data_param()->set_batch_size(v0.batchsize());
        else if (window)
            layer->mutable_window_data_param()->set_batch_size(v0.batchsize());
        else
            layer->mutable_hdf5_data_param()->set_batch_size(v0.batchsize());
    }
    // The transformation is a message of its own in later forms, whatever the type.
    if (v0.has_scale())
        layer->mutable_transform_param()->set_scale(v0.scale());
    if (v0.has_meanfile())
        layer->mutable_transform_param()->set_mean_file(v0.meanfile());
    if (v0.has_cropsize())
        layer->mutable_transform_param()->set_crop_size(v0.cropsize());
    if (v0.has_mirror())
        layer->mutable_transform_param()->set_mirror(v0.mirror());
    if (misplaced(v0.has_rand_skip(), data || images, "rand_skip")) {
        if (data)
            layer->mutable_data_param()->set_rand_skip(v0.rand_skip());
        else
            layer->mutable_image_data_param()->set_rand_skip(v0.rand_skip());
    }
    if (misplaced(v0.has_shuffle_images(), images, "shuffle_images"))
        layer->mutable_image_data_param()->set_shuffle(v0.shuffle_images());
    if (misplaced(v0.has_new_height(), images, "new_height"))
        layer->mutable_image_data_param()->set_new_height(static_cast<uint32_t>(std::max(0, v0.new_height())));
    if (misplaced(v0.has_new_width(), images, "new_width"))
        layer->mutable_image_data_param()->set_new_width(static_cast<uint32_t>(std::max(0, v0.new_width())));
    if (misplaced(v0.has_concat_dim(), type == V1::CONCAT, "concat_dim"))
        layer->mutable_concat_param()->set_concat_dim(v0.concat_dim());
    // What is left belongs to types that no net here can have (window_data, hdf5_output): those are refused by type.
    return what->empty();
}

template <class Param> static void move_transform(Param *param, caffe::TransformationParameter *transform)
{
    if (param->has_scale())
        transform->set_scale(param->scale());
    if (param->has_mean_file())
        transform->set_mean_file(param->mean_file());
    if (param->has_crop_size())
        transform->set_crop_size(param->crop_size());
    if (param->has_mirror())
        transform->set_mirror(param->mirror());
    param->clear_scale();
    param->clear_mean_file();
    param->clear_crop_size();
    param->clear_mirror();
}

void upgrade_transform(caffe::LayerParameter *layer)
{
    auto old = [](const auto &p) { return p.has_scale() || p.has_mean_file() || p.has_crop_size() || p.has_mirror(); };
    if (layer->type() == "Data" && old(layer->data_param()))
        move_transform(layer->mutable_data_param(), layer->mutable_transform_param());
    if (layer->type() == "ImageData" && old(layer->image_data_param()))
        move_transform(layer->mutable_image_data_param(), layer->mutable_transform_param());
}

} // namespace ristretto
