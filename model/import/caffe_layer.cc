#include "import/caffe_layer.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "import/caffe_text.h"

namespace ristretto {

const std::vector<LayerType> &layer_types()
{
    static const std::vector<LayerType> types = {
        {"Input", RS_LAYER_INPUT, false, false, {"input_param"}},
        {"Data", RS_LAYER_INPUT, true, false, {"data_param", "transform_param"}},
        {"ImageData", RS_LAYER_INPUT, true, false, {"image_data_param", "transform_param"}},
        {"MemoryData", RS_LAYER_INPUT, true, false, {"memory_data_param", "transform_param"}},
        {"Convolution", RS_LAYER_CONVOLUTION, false, false, {"convolution_param"}},
        {"ConvolutionRistretto", RS_LAYER_CONVOLUTION, false, true, {"convolution_param", "quantization_param"}},
        {"InnerProduct", RS_LAYER_INNER_PRODUCT, false, false, {"inner_product_param"}},
        {"FcRistretto", RS_LAYER_INNER_PRODUCT, false, true, {"inner_product_param", "quantization_param"}},
        {"Pooling", RS_LAYER_POOLING, false, false, {"pooling_param"}},
        {"ReLU", RS_LAYER_RELU, false, false, {"relu_param"}},
        {"Softmax", RS_LAYER_SOFTMAX, false, false, {"softmax_param"}},
        {"SoftmaxWithLoss", RS_LAYER_SOFTMAX_LOSS, false, false, {"softmax_param", "loss_param"}},
        {"Accuracy", RS_LAYER_ACCURACY, false, false, {"accuracy_param"}},
        {"Dropout", RS_LAYER_DROPOUT, false, false, {"dropout_param"}},
        {"LRN", RS_LAYER_LRN, false, false, {"lrn_param"}},
        {"Concat", RS_LAYER_CONCAT, false, false, {"concat_param"}},
        {"Slice", RS_LAYER_SLICE, false, false, {"slice_param"}},
        {"Split", RS_LAYER_SPLIT, false, false, {}},
        {"Eltwise", RS_LAYER_ELTWISE, false, false, {"eltwise_param"}},
        {"Flatten", RS_LAYER_FLATTEN, false, false, {"flatten_param"}},
        {"Reshape", RS_LAYER_RESHAPE, false, false, {"reshape_param"}},
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
        "BatchNorm",
        "BatchReindex",
        "Bias",
        "BNLL",
        "Clip",
        "ContrastiveLoss",
        "Crop",
        "Deconvolution",
        "DeconvolutionRistretto",
        "DummyData",
        "ELU",
        "Embed",
        "EuclideanLoss",
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
        "PReLU",
        "Python",
        "Reduction",
        "RNN",
        "Scale",
        "Sigmoid",
        "SigmoidCrossEntropyLoss",
        "Silence",
        "SPP",
        "Swish",
        "TanH",
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
    case V1::NONE: return "";
    case V1::ACCURACY: return "Accuracy";
    case V1::BNLL: return "BNLL";
    case V1::CONCAT: return "Concat";
    case V1::CONVOLUTION: return "Convolution";
    case V1::DATA: return "Data";
    case V1::DROPOUT: return "Dropout";
    case V1::EUCLIDEAN_LOSS: return "EuclideanLoss";
    case V1::FLATTEN: return "Flatten";
    case V1::HDF5_DATA: return "HDF5Data";
    case V1::HDF5_OUTPUT: return "HDF5Output";
    case V1::IM2COL: return "Im2col";
    case V1::IMAGE_DATA: return "ImageData";
    case V1::INFOGAIN_LOSS: return "InfogainLoss";
    case V1::INNER_PRODUCT: return "InnerProduct";
    case V1::LRN: return "LRN";
    case V1::MULTINOMIAL_LOGISTIC_LOSS: return "MultinomialLogisticLoss";
    case V1::POOLING: return "Pooling";
    case V1::RELU: return "ReLU";
    case V1::SIGMOID: return "Sigmoid";
    case V1::SOFTMAX: return "Softmax";
    case V1::SOFTMAX_LOSS: return "SoftmaxWithLoss";
    case V1::SPLIT: return "Split";
    case V1::TANH: return "TanH";
    case V1::WINDOW_DATA: return "WindowData";
    case V1::ELTWISE: return "Eltwise";
    case V1::POWER: return "Power";
    case V1::SIGMOID_CROSS_ENTROPY_LOSS: return "SigmoidCrossEntropyLoss";
    case V1::HINGE_LOSS: return "HingeLoss";
    case V1::MEMORY_DATA: return "MemoryData";
    case V1::ARGMAX: return "ArgMax";
    case V1::THRESHOLD: return "Threshold";
    case V1::DUMMY_DATA: return "DummyData";
    case V1::SLICE: return "Slice";
    case V1::MVN: return "MVN";
    case V1::ABSVAL: return "AbsVal";
    case V1::SILENCE: return "Silence";
    case V1::CONTRASTIVE_LOSS: return "ContrastiveLoss";
    case V1::EXP: return "Exp";
    case V1::DECONVOLUTION: return "Deconvolution";
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
    const int n =
        std::max({old.param_size(), old.blobs_lr_size(), old.weight_decay_size(), old.blob_share_mode_size()});
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
