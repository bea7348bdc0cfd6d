"""The commands that scripts/compare-outputs runs: names and command lines."""

import fnmatch
import os
import shlex
import string

SHORT = {
    "LENET": "in/model/zoo/lenet/lenet.prototxt",
    "WEIGHTS": "--weights in/model/zoo/lenet/lenet.caffemodel",
    "DIGITS": "--data in/model/zoo/lenet/digits",
    "NET": "--model in/model/zoo/lenet/lenet_train_test.prototxt --weights in/model/zoo/lenet/lenet.caffemodel --data in/model/zoo/lenet/digits",
    "FEW": "--calibration 0:60 --search 0:60 --test 60:40 --error-margin 10 --out out",
    "BITS8": "--convolution-bits 8 --inner-product-bits 8 --activation-bits 8",
    "BITS4": "--convolution-bits 4 --inner-product-bits 4 --activation-bits 4",
    "BLOCKS": "--model in/blocks.prototxt --weights in/blocks/net_iter_4.caffemodel --data in/patches",
    "CIFAR": "--model in/model/zoo/cifar10_full/train_test.prototxt --weights in/model/zoo/cifar10_full/cifar10_full.caffemodel --data in/cifar",
    "Q8": "--qnet in/q8/out/qnet",
    "ARRAY": "--array in/configs/arrays/lenet.yaml",
    "SMALL": "--array in/small.yaml",
    "ROOMY": "--set buffers.activation_elements=262144 --set buffers.output_elements=262144 --set buffers.weight_steps=4096 --set array.program_depth=4096",
    "WIDE": "--array in/configs/arrays/paper-16x16.yaml $ROOMY",
    "TECHNOLOGY": "--technology in/configs/technologies/horowitz-45nm.yaml",
    "TUNE": "finetune --solver in/solver.prototxt --calibration 50 --validation-images 0:50 --iterations 4 --validate-every 2 --snapshot-every 2 --out out",
    "CIFAR_WEIGHTS": "--weights in/model/zoo/cifar10_full/cifar10_full.caffemodel",
    "TUNE_FEW": "--calibration 20 --validation-images 0:20 --iterations 2 --validate-every 1 --out out",
    "SQUEEZENET": "--model in/shared/squeezenet/squeezenet_v1.1.deploy.prototxt --weights in/shared/squeezenet/squeezenet_v1.1.caffemodel"
                  " --data in/twenty-pictures.txt --mean 104,117,123",
    "SQUEEZENET_FOUR": "$SQUEEZENET --data in/four-pictures.txt",
    "GOOGLENET": "--model in/shared/googlenet/bvlc_googlenet.deploy.prototxt --weights in/shared/googlenet/bvlc_googlenet.caffemodel"
                 " --data in/four-pictures.txt --mean 104,117,123",
    "RUN": "run in/configs/runs/lenet.yaml --set out=out --set data.calibration.count=40 --set data.search.count=40 --set data.test.first=40"
           " --set data.test.count=40 --set quantize.error_margin=10 --set simulate.images=4",
}

COMMAND_NAMES = "summary convert forward train test quantize finetune simulate cosim estimate export data report run help".split()

# What later commands read, made by the build that is recorded: each writes into FOLDER/inputs/NAME.
PREPARED = """
q8             quantize $NET $FEW $BITS8 --report report.json
q4             quantize $NET $FEW $BITS4 --unsigned --channel-weights --scores accumulator
powers         quantize $NET $FEW --scheme power-of-two --zero-code
floats         quantize $NET $FEW --scheme minifloat --minifloat e4m3
blocks         train --solver in/blocks-solver.prototxt --out net
layers         train --solver in/layers-solver.prototxt --out net
qblocks        quantize $BLOCKS $FEW --error-margin 100 $BITS8
qcifar         quantize $CIFAR $FEW --error-margin 100 $BITS8 --unsigned
onnx           convert $LENET $WEIGHTS --onnx lenet.onnx
mean           data mean in/model/zoo/lenet/digits mean.binaryproto
lmdb           data convert in/patches lmdb
trained        train --solver in/solver.prototxt --iterations 4 --out net
tuned          $TUNE $WEIGHTS $BITS4
report         simulate $Q8 $ARRAY $DIGITS --images 4 --report report.json
report         estimate $Q8 $ARRAY $TECHNOLOGY --report report.json
report         test $NET --images 40 --report report.json
"""

# NAME and command line. A name with `shared` in front needs the published weights.
COMMANDS = """
overview                     help
nothing
version                      --version
help-option                  quantize -h
topic-array                  help array
topic-adapter                help adapter
topic-technology             help technology
topic-run-file               help run-file
topic-array-markdown         help array --format markdown
topic-adapter-markdown       help adapter --format markdown
topic-technology-markdown    help technology --format markdown
topic-run-file-markdown      help run-file --format markdown
completion                   help --format bash
names                        help --format names
man                          help --format man

summary-lenet                summary $LENET
summary-lenet-train          summary in/model/zoo/lenet/lenet_train_test.prototxt --phase train --input 1x28x28
summary-lenet-json           summary $LENET --json
summary-quiet                summary $LENET --quiet
summary-input                summary $LENET --input 2x1x28x28
summary-cifar10              summary in/model/zoo/cifar10_full/deploy.prototxt
summary-cifar10-train        summary in/model/zoo/cifar10_full/train_test.prototxt --phase train --input 3x32x32
summary-caffenet             summary in/model/zoo/caffenet/deploy.prototxt
summary-caffenet-train       summary in/model/zoo/caffenet/train_val.prototxt --phase train --input 3x227x227 --json
summary-googlenet            summary in/model/zoo/googlenet/deploy.prototxt
summary-googlenet-train      summary in/model/zoo/googlenet/train_val.prototxt --phase train --input 3x224x224 --json
summary-squeezenet-1.0       summary in/model/zoo/squeezenet_v1.0/deploy.prototxt
summary-squeezenet-1.0-train summary in/model/zoo/squeezenet_v1.0/train_val.prototxt --phase train --input 3x227x227
summary-squeezenet-1.1       summary in/model/zoo/squeezenet_v1.1/deploy.prototxt --json
summary-squeezenet-1.1-train summary in/model/zoo/squeezenet_v1.1/train_val.prototxt --input 3x227x227
summary-layers               summary in/layers.prototxt --level 1 --stage extra --input 3x12x12
summary-blocks               summary in/blocks.prototxt --input 3x12x12
summary-onnx                 summary in/onnx/lenet.onnx
summary-qdq                  summary in/qdq.onnx
summary-quantized            summary in/q8/out/quantized.prototxt --input 1x28x28
summary-no-shape             summary in/blocks.prototxt

convert-prototxt             convert in/model/zoo/lenet/lenet_train_test.prototxt --input 1x28x28 --prototxt net.prototxt
convert-caffemodel           convert $LENET $WEIGHTS --prototxt net.prototxt --caffemodel net.caffemodel
convert-onnx                 convert $LENET $WEIGHTS --onnx net.onnx
convert-json                 convert $LENET $WEIGHTS --prototxt net.prototxt --json
convert-from-onnx            convert in/onnx/lenet.onnx --prototxt net.prototxt --caffemodel net.caffemodel
convert-qdq                  convert in/qdq.onnx --prototxt net.prototxt --caffemodel net.caffemodel --onnx net.onnx
convert-layers               convert in/layers.prototxt --input 3x12x12 --weights in/layers/net_iter_4.caffemodel --prototxt net.prototxt --caffemodel net.caffemodel
convert-layers-onnx          convert in/layers.prototxt --input 3x12x12 --weights in/layers/net_iter_4.caffemodel --onnx net.onnx
convert-layers-train         convert in/layers.prototxt --input 3x12x12 --phase train --level 1 --stage extra --prototxt net.prototxt
convert-blocks               convert in/blocks.prototxt --input 3x12x12 --weights in/blocks/net_iter_4.caffemodel --onnx net.onnx
convert-cifar10              convert in/model/zoo/cifar10_full/deploy.prototxt $CIFAR_WEIGHTS --onnx net.onnx
convert-caffenet             convert in/model/zoo/caffenet/train_val.prototxt --input 3x227x227 --prototxt net.prototxt
convert-googlenet            convert in/model/zoo/googlenet/train_val.prototxt --input 3x224x224 --phase train --prototxt net.prototxt
convert-squeezenet-1.0       convert in/model/zoo/squeezenet_v1.0/deploy.prototxt --prototxt net.prototxt
convert-quantized            convert in/q4/out/quantized.prototxt --input 1x28x28 $WEIGHTS --prototxt net.prototxt --caffemodel net.caffemodel
convert-nothing              convert $LENET
convert-no-weights           convert $LENET --onnx net.onnx
shared-convert-v1            convert $LENET --weights in/shared/caffe-v1/lenet_v1layers.caffemodel --caffemodel net.caffemodel --onnx net.onnx
shared-convert-squeezenet    convert in/shared/squeezenet/squeezenet_v1.1.deploy.prototxt --weights in/shared/squeezenet/squeezenet_v1.1.caffemodel --onnx net.onnx

forward-lenet                forward $LENET $WEIGHTS --data in/digits.npy --out scores.npy
forward-blob                 forward $LENET $WEIGHTS --data in/digits.npy --blob ip1 --out ip1.npy --json
forward-onnx                 forward in/onnx/lenet.onnx --data in/digits.npy --out scores.npy
forward-qdq                  forward in/qdq.onnx --data in/patches.npy --out scores.npy
forward-layers               forward in/layers.prototxt --weights in/layers/net_iter_4.caffemodel --data in/patches.npy --out scores.npy
forward-blocks               forward in/blocks.prototxt --weights in/blocks/net_iter_4.caffemodel --data in/patches.npy --out scores.npy -j 2
forward-cifar10              forward in/model/zoo/cifar10_full/deploy.prototxt $CIFAR_WEIGHTS --data in/cifar.npy --out o.npy
forward-wrong-blob           forward $LENET $WEIGHTS --data in/digits.npy --blob ip3 --out scores.npy
forward-wrong-shape          forward $LENET $WEIGHTS --data in/patches.npy --out scores.npy

data-info                    data info in/model/zoo/lenet/digits
data-info-json               data info in/model/zoo/lenet/digits --json
data-info-train              data info in/patches --split train
data-info-cifar              data info in/cifar
data-info-lmdb               data info in/lmdb/lmdb
data-mean                    data mean in/model/zoo/lenet/digits mean.binaryproto
data-mean-json               data mean in/cifar mean.binaryproto --json
data-convert-idx             data convert in/cifar cifar --format idx
data-convert-npy             data convert in/lmdb/lmdb patches --format npy --resize 9x20
data-convert-lmdb            data convert in/cifar out --format lmdb --gray --crop 20
data-convert-missing         data convert in/nowhere out
data-convert-exists          data convert in/cifar lmdb
data-info-surplus            data info in/cifar out
data-unknown-action          data inf in/cifar
shared-data-pictures         data info in/shared/imagenet-samples
shared-data-resize           data convert in/four-pictures.txt out --format npy --resize 60x90

test-lenet                   test $NET
test-json                    test $NET --json --first 100 --images 50 --top 2
test-report                  test $NET --images 50 --report report.json
test-threads                 test $NET --images 300 -j 2
test-options                 test --model $LENET $WEIGHTS $DIGITS --mean 33 --scale 0.00390625 --images 60
test-mean-file               test --model $LENET $WEIGHTS $DIGITS --mean-file in/mean/mean.binaryproto --scale 0.00390625 --images 60
test-onnx                    test --model in/onnx/lenet.onnx $DIGITS --scale 0.00390625 --images 60
test-resize                  test $CIFAR --resize 40x45 --crop 32 --images 40
test-gray                    test --model $LENET $WEIGHTS --data in/cifar --gray --resize 34x30 --crop 28 --scale 0.00390625
test-cifar10                 test $CIFAR
test-blocks                  test $BLOCKS --split train
test-quantized               test --model in/q4/out/quantized.prototxt $WEIGHTS $DIGITS --images 60
shared-test-squeezenet       test $SQUEEZENET
shared-test-googlenet        test $GOOGLENET --json
shared-test-gray             test --model $LENET $WEIGHTS --data in/four-pictures.txt --gray --resize 34x30 --crop 28 --scale 0.00390625
shared-test-v1               test --model $LENET --weights in/shared/caffe-v1/lenet_v1layers.caffemodel $DIGITS --scale 0.00390625 --images 100

train-lenet                  train --solver in/solver.prototxt --iterations 6 --out net
train-json                   train --solver in/solver.prototxt --iterations 2 --out net --json
train-quiet                  train --solver in/solver.prototxt --iterations 2 --out net --quiet
train-seed                   train --solver in/solver.prototxt --iterations 2 --out net --seed 7 --shuffle --mirror
train-weights                train --solver in/solver.prototxt --iterations 2 --out net $WEIGHTS
train-resume                 train --solver in/solver.prototxt --iterations 8 --out net --resume in/trained/net_iter_4.solverstate
train-threads                train --solver in/solver.prototxt --iterations 4 --out net -j 2
train-adam                   train --solver in/adam.prototxt --out net
train-layers                 train --solver in/layers-solver.prototxt --out net
train-blocks                 train --solver in/blocks-solver.prototxt --out net
train-cifar10                train --solver in/model/zoo/cifar10_full/solver.prototxt --data in/cifar --iterations 1 --out net --mean 120 --crop 32
train-onnx                   train --solver in/onnx-solver.prototxt $DIGITS --scale 0.00390625 --out net
train-transformed            train --solver in/solver.prototxt $DIGITS --mean-file in/mean/mean.binaryproto --gray --resize 28x28 --iterations 2 --out net
train-diverging              train --solver in/wild.prototxt --iterations 20 --out net
train-missing                train --solver in/model/zoo/lenet/lenet_solver.prototxt --iterations 2 --out net
train-wrong-solver           train --solver in/wrong-solver.prototxt --out net

quantize-dynamic             quantize $NET $FEW
quantize-dynamic-json        quantize $NET $FEW --json
quantize-all-images          quantize $NET --out out --report report.json
quantize-threads             quantize $NET $FEW -j 2
quantize-static              quantize $NET $FEW --scheme static --min-bits 8 --max-bits 10
quantize-e4m3                quantize $NET $FEW --scheme minifloat --minifloat e4m3
quantize-e5m2-e2m3           quantize $NET $FEW --scheme minifloat --minifloat e5m2 --minifloat-weights e2m3 --error-margin 100
quantize-minifloat-4:3       quantize $NET $FEW --scheme minifloat --minifloat 4:3
quantize-minifloat-search    quantize $NET $FEW --scheme minifloat --max-bits 9 --min-bits 5
quantize-exponent-bits       quantize $NET $FEW --scheme minifloat --exponent-bits 5 --max-bits 9 --min-bits 7
quantize-powers              quantize $NET $FEW --scheme power-of-two
quantize-powers-zero         quantize $NET $FEW --scheme power-of-two --zero-code --exponents=-7:-1
quantize-powers-by-layer     quantize $NET $FEW --scheme power-of-two --exponents-by-layer
quantize-unsigned            quantize $NET $FEW $BITS4 --unsigned
quantize-channels            quantize $NET $FEW $BITS4 --channel-weights
quantize-scores              quantize $NET $FEW $BITS4 --scores accumulator
quantize-percentile          quantize $NET $FEW $BITS4 --weight-range percentile --activation-range percentile --percentile 99.5
quantize-squared-error       quantize $NET $FEW $BITS4 --weight-range squared_error --activation-range squared_error
quantize-nearest-even        quantize $NET $FEW $BITS4 --rounding nearest_even
quantize-nearest-up          quantize $NET $FEW $BITS4 --rounding nearest_up
quantize-truncate            quantize $NET $FEW $BITS4 --rounding truncate
quantize-bias-format         quantize $NET $FEW $BITS4 --bias-format weights
quantize-bias-correction     quantize $NET $FEW $BITS4 --bias-correction
quantize-adaptive            quantize $NET $FEW $BITS4 --weight-rounding adaptive
quantize-refine              quantize $NET $FEW $BITS4 --refine 40
quantize-everything          quantize $NET $FEW $BITS4 --refine 40 --weight-rounding adaptive --unsigned --channel-weights --scores accumulator --bias-correction
quantize-calibration-data    quantize $NET $FEW $BITS8 --calibration-data in/model/zoo/lenet/digits
quantize-compat              quantize $NET $FEW --compat ristretto
quantize-compat-powers       quantize $NET $FEW --compat ristretto --scheme power-of-two
quantize-compat-minifloat    quantize $NET $FEW --compat ristretto --scheme minifloat
quantize-original-dynamic    quantize $NET --model_quantized=q.prototxt --trimming_mode=dynamic_fixed_point --iterations=1 --error_margin=30
quantize-original-minifloat  quantize $NET --model_quantized=q.prototxt --trimming_mode=minifloat --iterations=1 --error_margin=30
quantize-original-powers     quantize $NET --model_quantized=q.prototxt --trimming_mode=integer_power_of_2_weights --iterations=1 --error_margin=30
quantize-pareto-bits         quantize $NET $FEW --pareto bits --max-bits 5 --min-bits 3 --report report.json
quantize-pareto-area         quantize $NET $FEW --pareto area $TECHNOLOGY --max-bits 5 --min-bits 3
quantize-pareto-energy       quantize $NET $FEW --pareto energy $TECHNOLOGY --max-bits 5 --min-bits 3 --json
quantize-pareto-budget       quantize $NET $FEW --pareto bits --budget 1900000 --max-bits 5 --min-bits 3
quantize-deploy              quantize --model $LENET $WEIGHTS $DIGITS $FEW $BITS8 --mean 33 --scale 0.00390625
quantize-mean-file           quantize --model $LENET $WEIGHTS $DIGITS $FEW $BITS8 --mean-file in/mean/mean.binaryproto --scale 0.00390625
quantize-resize              quantize $CIFAR $FEW $BITS8 --resize 36x34 --crop 32 --error-margin 100 --split train
shared-quantize-gray         quantize --model $LENET $WEIGHTS --data in/four-pictures.txt --gray --resize 28x28 --scale 0.00390625 $BITS8 --error-margin 100 --out out
quantize-onnx                quantize --model in/onnx/lenet.onnx $DIGITS $FEW $BITS8 --scale 0.00390625
quantize-qdq                 quantize --model in/qdq.onnx --data in/patches $FEW --formats model --scale 0.015625 --mean 64 --error-margin 100
quantize-qdq-search          quantize --model in/qdq.onnx --data in/patches $FEW $BITS8 --scale 0.015625 --error-margin 100
quantize-blocks              quantize $BLOCKS $FEW --error-margin 40
quantize-blocks-everything   quantize $BLOCKS $FEW $BITS4 --unsigned --channel-weights --weight-rounding adaptive --refine 20 --error-margin 100
quantize-blocks-powers       quantize $BLOCKS $FEW --scheme power-of-two --error-margin 100
quantize-blocks-minifloat    quantize $BLOCKS $FEW --scheme minifloat --minifloat e4m3 --error-margin 100
quantize-cifar10             quantize $CIFAR $FEW --error-margin 100 $BITS8
quantize-cifar10-powers      quantize $CIFAR $FEW --error-margin 100 --scheme power-of-two
quantize-again               quantize --model in/q4/out/quantized.prototxt $WEIGHTS $DIGITS $FEW $BITS8
quantize-missed              quantize $NET $FEW --error-margin 0 --max-bits 2
quantize-layers              quantize --model in/layers.prototxt --weights in/layers/net_iter_4.caffemodel --data in/patches $FEW $BITS8
shared-quantize-squeezenet   quantize $SQUEEZENET $BITS8 --unsigned --scores accumulator --error-margin 50 --out out
shared-quantize-minifloat    quantize $SQUEEZENET_FOUR --scheme minifloat --minifloat e4m3 --error-margin 100 --out out
shared-quantize-googlenet    quantize $GOOGLENET $BITS8 --error-margin 100 --out out

finetune-dynamic             $TUNE $WEIGHTS $BITS4
finetune-json                $TUNE $WEIGHTS $BITS4 --json --no-test --report report.json
finetune-float-parts         $TUNE $WEIGHTS --convolution-bits 0 --inner-product-bits 4 --activation-bits 0
finetune-quantized           $TUNE $WEIGHTS $BITS4 --activations quantized --refine 40 --weight-rounding nearest --learn-steps --schedule linear
finetune-gradual             $TUNE $WEIGHTS $BITS4 --gradual 2 --learning-rate 0.0001 --weight-decay 0.0001 --keep last --seed 3 --shuffle
finetune-formats             $TUNE $WEIGHTS $BITS4 --unsigned --channel-weights --scores accumulator --bias-format weights --weight-range squared_error
finetune-percentile          $TUNE $WEIGHTS $BITS4 --activation-range percentile --percentile 99.9 --test in/model/zoo/lenet/digits --mirror
finetune-minifloat           $TUNE $WEIGHTS --scheme minifloat --minifloat 4:1
finetune-minifloat-bits      $TUNE $WEIGHTS --scheme minifloat --exponent-bits 4 --minifloat-weights e2m1
finetune-powers              $TUNE $WEIGHTS --scheme power-of-two --zero-code --exponents=-6:-1
finetune-powers-by-layer     $TUNE $WEIGHTS --scheme power-of-two --exponents-by-layer --validation in/model/zoo/lenet/digits --validation-images 0:30
finetune-resume              $TUNE $BITS4 --resume in/tuned/out/finetune_iter_4.solverstate --iterations 4
finetune-other-options       $TUNE --resume in/tuned/out/finetune_iter_4.solverstate
finetune-none                $TUNE $WEIGHTS $BITS4 --iterations 0
finetune-batch-norm          finetune --solver in/blocks-solver.prototxt --weights in/blocks/net_iter_4.caffemodel $TUNE_FEW
finetune-cifar10             finetune --solver in/model/zoo/cifar10_full/solver.prototxt --data in/cifar --test in/cifar $CIFAR_WEIGHTS --crop 32 --mean 120 $TUNE_FEW
finetune-transformed         $TUNE $WEIGHTS $BITS4 $DIGITS --mean-file in/mean/mean.binaryproto --scale 0.00390625 --gray --resize 28x28
finetune-no-weights          $TUNE
finetune-foreign-option      $TUNE $WEIGHTS --minifloat 4:1

simulate-cycles              simulate $Q8 $ARRAY
simulate-images              simulate $Q8 $ARRAY $DIGITS --images 10 --report report.json
simulate-json                simulate $Q8 $ARRAY $DIGITS --first 5 --images 4 --json
simulate-svg                 simulate $Q8 $ARRAY --timeline timeline.svg
simulate-trace               simulate $Q8 --array in/configs/arrays/stalls-50.yaml --timeline timeline.json
simulate-lanes               simulate $Q8 $ARRAY --set array.lanes=5 --set array.multipliers=7 --set buffers.weight_steps=512 --json
simulate-8x25                simulate $Q8 --array in/configs/arrays/lenet-8x25.yaml $DIGITS --images 4
simulate-low-bandwidth       simulate $Q8 --array in/configs/arrays/low-bandwidth.yaml $DIGITS --images 4
simulate-paper               simulate $Q8 --array in/configs/arrays/paper-16x16.yaml $DIGITS --images 4
simulate-tiles               simulate $Q8 --array in/small.yaml $DIGITS --images 4 --json
simulate-narrow              simulate $Q8 $ARRAY --set array.accumulator_bits=14 --set array.overflow=saturate $DIGITS --images 4
simulate-wrap                simulate $Q8 $ARRAY --set array.accumulator_bits=14 $DIGITS --images 4 --json
simulate-q4                  simulate --qnet in/q4/out/qnet $ARRAY $DIGITS --images 10
simulate-shifters            simulate --qnet in/powers/out/qnet $ARRAY --set array.pe=shifter $DIGITS --images 4
simulate-powers              simulate --qnet in/powers/out/qnet $ARRAY $DIGITS --images 4
simulate-minifloat           simulate --qnet in/floats/out/qnet $ARRAY --set array.pe=minifloat --set array.rounding=nearest_even $DIGITS --images 4
simulate-blocks              simulate --qnet in/qblocks/out/qnet $WIDE --data in/patches --images 4 --timeline timeline.json
simulate-cifar10             simulate --qnet in/qcifar/out/qnet $WIDE --data in/cifar --images 2
simulate-transformed         simulate $Q8 $ARRAY $DIGITS --split test --gray --resize 28x28 --images 2
simulate-wrong-value         simulate $Q8 $ARRAY --set array.lanes=0
simulate-wrong-key           simulate $Q8 $ARRAY --set array.lane=4
simulate-wrong-file          simulate $Q8 --array in/wrong-array.yaml
simulate-wrong-timeline      simulate $Q8 $ARRAY --timeline t.png
simulate-buffer              simulate $Q8 $ARRAY --set buffers.activation_elements=100
simulate-truncated-qnet      simulate --qnet in/broken-qnet $ARRAY
simulate-wrong-rounding      simulate --qnet in/floats/out/qnet $ARRAY

cosim-lenet                  cosim $Q8 $ARRAY $DIGITS --images 2
cosim-json                   cosim $Q8 $ARRAY $DIGITS --first 3 --images 1 --json --report report.json
cosim-small                  cosim --qnet in/q4/out/qnet $SMALL $DIGITS --images 1
cosim-shifters               cosim --qnet in/powers/out/qnet $SMALL --set array.pe=shifter $DIGITS --images 1
cosim-flip                   cosim $Q8 $ARRAY $DIGITS --images 2 --plant flip
cosim-late                   cosim $Q8 $ARRAY $DIGITS --images 1 --plant late --plant-beat 50 --json
cosim-drop                   cosim $Q8 $ARRAY $DIGITS --images 1 --plant drop
cosim-duplicate              cosim $Q8 $ARRAY $DIGITS --images 1 --plant duplicate --wave wave.fst
cosim-trace                  cosim $Q8 $ARRAY $DIGITS --images 1 --trace array.fst --trace-from 1000 --trace-to 1100
cosim-unit                   cosim --dut in/configs/units/serial-mac.yaml --random 500
cosim-unit-json              cosim --dut in/configs/units/serial-mac.yaml --seed 5 --json --report report.json
cosim-unit-net               cosim --dut in/configs/units/serial-mac.yaml $Q8 $DIGITS --images 2 --vectors 20
cosim-unit-layer             cosim --dut in/configs/units/serial-mac.yaml $Q8 $DIGITS --images 1 --layer conv2 --vectors 0 --random 0
cosim-unit-trace             cosim --dut in/configs/units/serial-mac.yaml --trace unit.fst --trace-to 40
cosim-unit-lane              cosim --dut in/configs/units/lane.yaml
cosim-unit-fault             cosim --dut in/configs/units/fault.yaml
cosim-unit-missing-port      cosim --dut in/configs/units/port.yaml
cosim-unit-no-layer          cosim --dut in/configs/units/serial-mac.yaml $Q8 $DIGITS --layer conv9
cosim-transformed            cosim $Q8 $ARRAY $DIGITS --split test --gray --resize 28x28 --images 1
cosim-blocks                 cosim --qnet in/qblocks/out/qnet $SMALL --data in/patches --images 1
cosim-minifloat              cosim --qnet in/floats/out/qnet $SMALL --set array.pe=minifloat --set array.rounding=nearest_even $DIGITS --images 1
cosim-no-options             cosim

estimate-lenet               estimate $Q8 $ARRAY $TECHNOLOGY
estimate-json                estimate $Q8 $ARRAY $TECHNOLOGY --json --report report.json
estimate-small               estimate --qnet in/q4/out/qnet $ARRAY --set array.lanes=4 $TECHNOLOGY
estimate-shifters            estimate --qnet in/powers/out/qnet $ARRAY --set array.pe=shifter $TECHNOLOGY
estimate-minifloat           estimate --qnet in/floats/out/qnet $ARRAY --set array.pe=minifloat --set array.rounding=nearest_even $TECHNOLOGY
estimate-blocks              estimate --qnet in/qblocks/out/qnet $WIDE $TECHNOLOGY
estimate-wrong-technology    estimate $Q8 $ARRAY --technology in/wrong-technology.yaml

export-memh                  export $Q8 $ARRAY --out out
export-coe                   export $Q8 $ARRAY --out out --format coe
export-mif                   export $Q8 $ARRAY --out out --format mif
export-ihex                  export $Q8 $ARRAY --out out --format ihex
export-c                     export $Q8 $ARRAY --out out --format c
export-npy                   export $Q8 $ARRAY --out out --format npy --json --report report.json
export-q4                    export --qnet in/q4/out/qnet $ARRAY --set array.lanes=3 --out out
export-shifters              export --qnet in/powers/out/qnet $ARRAY --set array.pe=shifter --out out
export-minifloat             export --qnet in/floats/out/qnet $ARRAY --set array.pe=minifloat --set array.rounding=nearest_even --out out
export-blocks                export --qnet in/qblocks/out/qnet $WIDE --out out
export-wrong-form            export $Q8 $ARRAY --out out --format hex

report-text                  report in/report/report.json
report-html                  report in/report/report.json --html report.html
report-csv                   report in/report/report.json --csv report.csv --quiet
report-json                  report in/report/report.json --json
report-quantize              report in/q8/report.json --html report.html --csv report.csv
report-none                  report in/no-report.json
report-no-json               report in/wrong-array.yaml

run-lenet                    $RUN --set cosim.images=1 --set report.csv=true
run-json                     $RUN --set cosim.images=0 --set export.format=none --set quantize.unsigned_activations=true --set report.html=false --json
run-powers                   $RUN --set cosim.images=0 --set export.format=c --set quantize.scheme=power-of-two --set quantize.zero_code=true
run-bits                     $RUN --set cosim.images=0 --set quantize.max_bits=8 --set quantize.weight_rounding=adaptive --set quantize.activation_range=squared_error
run-pareto                   $RUN --set cosim.images=0 --set quantize.pareto=energy --set quantize.max_bits=5 --set quantize.min_bits=3
run-missed                   $RUN --set cosim.images=0 --set quantize.max_bits=2 --set quantize.error_margin=0
run-wrong-minifloat          $RUN --set quantize.scheme=minifloat --set quantize.minifloat=e4m4
run-wrong-scheme             $RUN --set quantize.zero_code=true
run-wrong-key                run in/wrong-run.yaml

error-command                quantise
error-command-far            xyzzy
error-order                  --json test
error-option                 report --htlm x
error-missing-options        estimate --qnet q
error-missing-argument       run
error-no-value               run x --threads
error-surplus                run a b
error-range                  run x --threads=-1
error-number                 run x -j two
error-flag-value             run x --json=1
error-topic                  help quantum
error-choice                 help --format txet
error-slice                  quantize $NET --out out --search 5
error-images                 test $NET --first 1990 --images 20
error-no-model               test --model in/nowhere.prototxt $WEIGHTS $DIGITS
error-no-weights             test --model $LENET --weights in/model/zoo/lenet/lenet.cafemodel $DIGITS
error-text-weights           test --model $LENET --weights in/model/zoo/lenet/lenet.prototxt $DIGITS
error-shape                  test --model in/wrong-shape.prototxt $WEIGHTS $DIGITS
error-typo                   summary in/typo.prototxt
error-type                   summary in/type.prototxt
error-cut                    summary in/cut.prototxt
error-mean                   test --model $LENET $WEIGHTS $DIGITS --mean 1,x
error-two-means              test --model $LENET $WEIGHTS $DIGITS --mean 1 --mean-file in/mean/mean.binaryproto
error-resize                 test --model $LENET $WEIGHTS $DIGITS --resize 28
error-foreign-option         quantize $NET $FEW --minifloat 4:3
error-minifloat              quantize $NET $FEW --scheme minifloat --minifloat e4m4
error-exponents              quantize $NET $FEW --scheme power-of-two --exponents=-20:-1
error-two-schemes            quantize $NET $FEW --scheme static --trimming-mode minifloat
error-static-refine          quantize $NET $FEW --scheme static --refine 10
error-minifloat-scores       quantize $NET $FEW --scheme minifloat --scores accumulator
error-budget                 quantize $NET $FEW --budget 5
error-no-technology          quantize $NET $FEW --pareto energy
error-pareto-scheme          quantize $NET $FEW --pareto bits --scheme minifloat
error-no-out                 quantize $NET
error-qdq-formats            quantize --model in/onnx/lenet.onnx $DIGITS $FEW --formats model
"""

# Every file of the corpora of hostile and well-formed input, as an argument: folder below FOLDER/inputs, which files, command line.
CORPORA = (
    ("corpus/prototxt", "*", "summary $FILE --input 1x28x28"), ("golden/caffe", "net-*.prototxt", "summary $FILE"),
    ("golden/caffe", "solver-*.prototxt", "train --solver $FILE --iterations 1 --out net"), ("corpus/onnx", "*", "summary $FILE"),
    ("corpus/caffemodel", "*", "test --model $LENET --weights $FILE $DIGITS"), ("corpus/hdf5", "*", "test --model $LENET --weights $FILE $DIGITS"),
    ("corpus/solver", "*", "train --solver $FILE --iterations 1 --out net"),
    ("corpus/solverstate", "*", "train --solver in/solver.prototxt --iterations 1 --resume $FILE --out net"),
    ("corpus/binaryproto", "*", "test --model $LENET $WEIGHTS $DIGITS --images 4 --mean-file $FILE"),
    ("corpus/npy", "*", "forward $LENET $WEIGHTS --data $FILE --out scores.npy"), ("corpus/lmdb", "*", "data info $FILE"),
    ("corpus/picture", "*", "data info in/pictures/$BASE.txt"), ("corpus/array_yaml", "*", "simulate $Q8 --array $FILE"),
    ("corpus/technology_yaml", "*", "estimate $Q8 $ARRAY --technology $FILE"), ("corpus/run_yaml", "*", "run $FILE --set out=out"),
    ("corpus/unit_yaml", "*", "cosim --dut $FILE"),
    ("tests/rtl/foreign", "*.yaml", "cosim --dut $FILE --random 100"))


# What lies in the scratch folder of these commands at the beginning: a folder below FOLDER/inputs.
BEGINNINGS = {"finetune-resume": "tuned", "finetune-other-options": "tuned", "data-convert-exists": "lmdb"}


def command_list(text):
    """(name, arguments) of each line, with what is SHORT written out."""
    rows = []
    for line in text.splitlines():
        if line:
            name, _, words = line.partition(" ")
            while "$" in words:
                words = string.Template(words).substitute(SHORT)
            rows.append((name, shlex.split(words)))
    return rows


def all_commands(inputs):
    """The list, those that follow from it, and those on the corpora below `inputs`."""
    rows = command_list(COMMANDS)
    rows += [(f"help-{name}", ["help", name]) for name in COMMAND_NAMES]
    rows += [(f"man-{name}", ["help", "--format", "man", name]) for name in COMMAND_NAMES]
    for folder, pattern, words in CORPORA:
        for name in sorted(os.listdir(os.path.join(inputs, folder))):
            if fnmatch.fnmatch(name, pattern):
                here = dict(SHORT, FILE=f"in/{folder}/{name}", BASE=name)
                rows.append((f"{os.path.basename(folder)}:{name}", shlex.split(string.Template(words).substitute(here))))
    names = [name for name, _ in rows]
    assert len(set(names)) == len(names), sorted(n for n in names if names.count(n) > 1)
    if not os.path.exists(os.path.join(inputs, "shared")):
        rows = [row for row in rows if not row[0].startswith("shared-")]
    return rows
