// Older forms of layers, brought into the present one.
#include "import/caffe/upgrade.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "import/caffe/text.h"

namespace ristretto
{

// What the older forms call a type.
using V1 = caffe::V1LayerParameter;
struct OldType {
    V1::LayerType v1;
    const char *name;
    const char *v0; // nullptr: that form does not have it
};
static const OldType OLD_TYPES[] = {
    { V1::ACCURACY, "Accuracy", "accuracy" },
    { V1::BNLL, "BNLL", "bnll" },
    { V1::CONCAT, "Concat", "concat" },
    { V1::CONVOLUTION, "Convolution", "conv" },
    { V1::DATA, "Data", "data" },
    { V1::DROPOUT, "Dropout", "dropout" },
    { V1::EUCLIDEAN_LOSS, "EuclideanLoss", "euclidean_loss" },
    { V1::FLATTEN, "Flatten", "flatten" },
    { V1::HDF5_DATA, "HDF5Data", "hdf5_data" },
    { V1::HDF5_OUTPUT, "HDF5Output", "hdf5_output" },
    { V1::IM2COL, "Im2col", "im2col" },
    { V1::IMAGE_DATA, "ImageData", "images" },
    { V1::INFOGAIN_LOSS, "InfogainLoss", "infogain_loss" },
    { V1::INNER_PRODUCT, "InnerProduct", "innerproduct" },
    { V1::LRN, "LRN", "lrn" },
    { V1::MULTINOMIAL_LOGISTIC_LOSS, "MultinomialLogisticLoss", "multinomial_logistic_loss" },
    { V1::POOLING, "Pooling", "pool" },
    { V1::RELU, "ReLU", "relu" },
    { V1::SIGMOID, "Sigmoid", "sigmoid" },
    { V1::SOFTMAX, "Softmax", "softmax" },
    { V1::SOFTMAX_LOSS, "SoftmaxWithLoss", "softmax_loss" },
    { V1::SPLIT, "Split", "split" },
    { V1::TANH, "TanH", "tanh" },
    { V1::WINDOW_DATA, "WindowData", "window_data" },
    { V1::ELTWISE, "Eltwise", nullptr },
    { V1::POWER, "Power", nullptr },
    { V1::SIGMOID_CROSS_ENTROPY_LOSS, "SigmoidCrossEntropyLoss", nullptr },
    { V1::HINGE_LOSS, "HingeLoss", nullptr },
    { V1::MEMORY_DATA, "MemoryData", nullptr },
    { V1::ARGMAX, "ArgMax", nullptr },
    { V1::THRESHOLD, "Threshold", nullptr },
    { V1::DUMMY_DATA, "DummyData", nullptr },
    { V1::SLICE, "Slice", nullptr },
    { V1::MVN, "MVN", nullptr },
    { V1::ABSVAL, "AbsVal", nullptr },
    { V1::SILENCE, "Silence", nullptr },
    { V1::CONTRASTIVE_LOSS, "ContrastiveLoss", nullptr },
    { V1::EXP, "Exp", nullptr },
    { V1::DECONVOLUTION, "Deconvolution", nullptr },
};

std::string v1_type_name(V1::LayerType type)
{
    for (const OldType &t : OLD_TYPES)
        if (t.v1 == type)
            return t.name;
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

// A layer of the first form, which has one flat message: each field belongs to certain types (as in Caffe's
// upgrade_proto.cpp).
class V0Layer
{
  public:
    V0Layer(const caffe::V0LayerParameter &v0, V1 *layer, std::string *what) : v0_(v0), layer_(layer), what_(what)
    {
    }

    void upgrade()
    {
        weights();
        window();
        functions();
        data();
        images();
        if (takes(v0_.has_concat_dim(), is(V1::CONCAT), "concat_dim"))
            layer_->mutable_concat_param()->set_concat_dim(v0_.concat_dim());
        // What is left belongs to types that no net here can have (window_data, hdf5_output): those are refused by
        // type.
    }

  private:
    bool is(V1::LayerType type) const
    {
        return layer_->type() == type;
    }
    // Whether to take field `name`: if the file gives it. An error if it has no place in this type.
    bool takes(bool given, bool belongs, const char *name)
    {
        if (given && !belongs && what_->empty())
            *what_ = std::string("a field ") + name + ", which its type " + quoted(v0_.type()) + " does not have";
        return given && belongs;
    }

    // Of convolutions and inner products.
    void weights()
    {
        const bool conv = is(V1::CONVOLUTION), ip = is(V1::INNER_PRODUCT);
        if (takes(v0_.has_num_output(), conv || ip, "num_output")) {
            if (conv)
                layer_->mutable_convolution_param()->set_num_output(v0_.num_output());
            else
                layer_->mutable_inner_product_param()->set_num_output(v0_.num_output());
        }
        if (takes(v0_.has_biasterm(), conv || ip, "biasterm")) {
            if (conv)
                layer_->mutable_convolution_param()->set_bias_term(v0_.biasterm());
            else
                layer_->mutable_inner_product_param()->set_bias_term(v0_.biasterm());
        }
        if (takes(v0_.has_weight_filler(), conv || ip, "weight_filler"))
            (conv ? layer_->mutable_convolution_param()->mutable_weight_filler()
                  : layer_->mutable_inner_product_param()->mutable_weight_filler())
                ->CopyFrom(v0_.weight_filler());
        if (takes(v0_.has_bias_filler(), conv || ip, "bias_filler"))
            (conv ? layer_->mutable_convolution_param()->mutable_bias_filler()
                  : layer_->mutable_inner_product_param()->mutable_bias_filler())
                ->CopyFrom(v0_.bias_filler());
    }

    // Of convolutions and pooling.
    void window()
    {
        const bool conv = is(V1::CONVOLUTION), pool = is(V1::POOLING);
        if (takes(v0_.has_pad(), conv || pool, "pad")) {
            if (conv)
                layer_->mutable_convolution_param()->add_pad(v0_.pad());
            else
                layer_->mutable_pooling_param()->set_pad(v0_.pad());
        }
        if (takes(v0_.has_kernelsize(), conv || pool, "kernelsize")) {
            if (conv)
                layer_->mutable_convolution_param()->add_kernel_size(v0_.kernelsize());
            else
                layer_->mutable_pooling_param()->set_kernel_size(v0_.kernelsize());
        }
        if (takes(v0_.has_group(), conv, "group"))
            layer_->mutable_convolution_param()->set_group(v0_.group());
        if (takes(v0_.has_stride(), conv || pool, "stride")) {
            if (conv)
                layer_->mutable_convolution_param()->add_stride(v0_.stride());
            else
                layer_->mutable_pooling_param()->set_stride(v0_.stride());
        }
        if (takes(v0_.has_pool(), pool, "pool"))
            layer_->mutable_pooling_param()->set_pool(static_cast<caffe::PoolingParameter::PoolMethod>(v0_.pool()));
    }

    // Of dropout and LRN.
    void functions()
    {
        const bool lrn = is(V1::LRN);
        if (takes(v0_.has_dropout_ratio(), is(V1::DROPOUT), "dropout_ratio"))
            layer_->mutable_dropout_param()->set_dropout_ratio(v0_.dropout_ratio());
        if (takes(v0_.has_local_size(), lrn, "local_size"))
            layer_->mutable_lrn_param()->set_local_size(v0_.local_size());
        if (takes(v0_.has_alpha(), lrn, "alpha"))
            layer_->mutable_lrn_param()->set_alpha(v0_.alpha());
        if (takes(v0_.has_beta(), lrn, "beta"))
            layer_->mutable_lrn_param()->set_beta(v0_.beta());
        if (takes(v0_.has_k(), lrn, "k"))
            layer_->mutable_lrn_param()->set_k(v0_.k());
    }

    // Of data layers.
    void data()
    {
        const bool data = is(V1::DATA), images = is(V1::IMAGE_DATA), window = is(V1::WINDOW_DATA),
                   hdf5 = is(V1::HDF5_DATA);
        if (takes(v0_.has_source(), data || images || window || hdf5 || is(V1::INFOGAIN_LOSS), "source")) {
            if (data)
                layer_->mutable_data_param()->set_source(v0_.source());
            else if (images)
                layer_->mutable_image_data_param()->set_source(v0_.source());
            else if (window)
                layer_->mutable_window_data_param()->set_source(v0_.source());
            else if (hdf5)
                layer_->mutable_hdf5_data_param()->set_source(v0_.source());
            else
                layer_->mutable_infogain_loss_param()->set_source(v0_.source());
        }
        if (takes(v0_.has_batchsize(), data || images || window || hdf5, "batchsize")) {
            if (data)
                layer_->mutable_data_param()->set_batch_size(v0_.batchsize());
            else if (images)
                layer_->mutable_image_data_param()->set_batch_size(v0_.batchsize());
            else if (window)
                layer_->mutable_window_data_param()->set_batch_size(v0_.batchsize());
            else
                layer_->mutable_hdf5_data_param()->set_batch_size(v0_.batchsize());
        }
        // The transformation is a message of its own in later forms, whatever the type.
        if (v0_.has_scale())
            layer_->mutable_transform_param()->set_scale(v0_.scale());
        if (v0_.has_meanfile())
            layer_->mutable_transform_param()->set_mean_file(v0_.meanfile());
        if (v0_.has_cropsize())
            layer_->mutable_transform_param()->set_crop_size(v0_.cropsize());
        if (v0_.has_mirror())
            layer_->mutable_transform_param()->set_mirror(v0_.mirror());
    }

    // Of data layers that read pictures.
    void images()
    {
        const bool data = is(V1::DATA), images = is(V1::IMAGE_DATA);
        if (takes(v0_.has_rand_skip(), data || images, "rand_skip")) {
            if (data)
                layer_->mutable_data_param()->set_rand_skip(v0_.rand_skip());
            else
                layer_->mutable_image_data_param()->set_rand_skip(v0_.rand_skip());
        }
        if (takes(v0_.has_shuffle_images(), images, "shuffle_images"))
            layer_->mutable_image_data_param()->set_shuffle(v0_.shuffle_images());
        if (takes(v0_.has_new_height(), images, "new_height"))
            layer_->mutable_image_data_param()->set_new_height(static_cast<uint32_t>(std::max(0, v0_.new_height())));
        if (takes(v0_.has_new_width(), images, "new_width"))
            layer_->mutable_image_data_param()->set_new_width(static_cast<uint32_t>(std::max(0, v0_.new_width())));
    }

    const caffe::V0LayerParameter &v0_;
    V1 *layer_;
    std::string *what_;
};

bool upgrade_v0(const V1 &old, V1 *layer, std::string *what)
{
    const caffe::V0LayerParameter &v0 = old.layer();
    layer->mutable_bottom()->CopyFrom(old.bottom());
    layer->mutable_top()->CopyFrom(old.top());
    layer->set_name(v0.name());
    layer->mutable_blobs()->CopyFrom(v0.blobs());
    layer->mutable_blobs_lr()->CopyFrom(v0.blobs_lr());
    layer->mutable_weight_decay()->CopyFrom(v0.weight_decay());

    std::vector<std::string> names;
    bool known = false;
    for (const OldType &t : OLD_TYPES) {
        if (t.v0 == nullptr)
            continue;
        names.push_back(t.v0);
        if (v0.type() == t.v0) {
            layer->set_type(t.v1);
            known = true;
        }
    }
    if (!known) {
        const std::string hint = did_you_mean(v0.type(), names);
        *what = (v0.type().empty() ? "no type" : "unknown type " + quoted(v0.type())) +
                (hint.empty() ? "" : ", " + hint);
        return false;
    }
    V0Layer(v0, layer, what).upgrade();
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
