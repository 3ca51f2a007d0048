# SPDX-License-Identifier: Apache-2.0
# bash completion of tocsin

_tocsin_options() { # _tocsin_options VERB
    case $1 in
    run)
        echo --config --listen --data-dir --profile --interval --instance --learn --relearn \
            --threshold --seed --log-level --log-format --help
        ;;
    train)
        echo --data --model --validation-data --validation --profile --layers --hidden --output \
            --epochs --batch-size --learning-rate --patience --feature-dropout --scaling \
            --threshold --seed --config --json --help
        ;;
    tune)
        echo --data --validation-data --profile --method --trials --executions --epochs --jobs \
            --seed --state --output --json --help
        ;;
    score) echo --model --data --output --contributions --threshold --profile --json --help ;;
    evaluate)
        echo --labels --scores --threshold --window --series --causes --contributions --json --help
        ;;
    explain) echo --model --data --row --at --threshold --profile --json --help ;;
    replay)
        echo --data-dir --instance --data --model --walk-forward --learn --days --from --to \
            --threshold --alarms --observed --confirm --profile --interval --config --output --json --help
        ;;
    check) echo --config --print --json --help ;;
    status) echo --url --json --help ;;
    drill) echo --fault --all --rest --for --url --instance --dir --json --help ;;
    mark)
        echo --incident --from --to --as --accept --instance --list --delete --data-dir --json --help
        ;;
    models) echo --config --profile --interval --data-dir --instance --json --help ;;
    import)
        echo --prometheus --from --to --step --output --output-dir --instance --profile --match \
            --entity-label --user --password-file --bearer-token-file --ca-file --cert-file \
            --key-file --server-name --insecure --timeout --json --help
        ;;
    export) echo --model --format --output --raw --int8 --data --json --help ;;
    import-model) echo --schema --scaler --threshold --output --json --help ;;
    sample) echo --procfs --sysfs --rootfs --exposition --openmetrics --json --help ;;
    esac
}

# What may follow an option: words, or the name of a file or folder.
_tocsin_values() { # _tocsin_values VERB OPTION
    case $1:$2 in
    mark:--as) echo anomaly normal maintenance ;;
    models:models) echo list show diff promote rollback import ;;
    export:--format) echo tflite onnx ;;
    import-model:--threshold) echo fixed: ;;
    models:--profile) echo node classic ;;
    *:--fault) echo cpu memory disk network forks files ;;
    run:--profile | import:--profile) echo node classic ;;
    *:--profile) echo none node classic ;;
    evaluate:--threshold) ;; # a score
    *:--threshold) echo staged budget: percentile: sigma: fixed: auto ;;
    *:--log-level) echo debug info warn error ;;
    *:--log-format) echo logfmt json ;;
    tune:--method) echo random halving ;;
    train:--hidden) echo relu sigmoid tanh linear ;;
    train:--output) echo auto relu sigmoid tanh linear ;;
    *:--scaling) echo minmax quantile none ;;
    esac
}

_tocsin() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local verb=${COMP_WORDS[1]} words=
    COMPREPLY=()

    if ((COMP_CWORD == 1)); then
        words="run status drill mark models check train tune score evaluate explain replay import export import-model sample --help --version"
    else
        words=$(_tocsin_values "$verb" "$previous")
        if [[ $current == -* && (-z $words || $previous == "$verb") ]]; then
            words=$(_tocsin_options "$verb")
        fi
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    case $previous in
    --data-dir | --output-dir | --dir | --procfs | --sysfs | --rootfs)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        ;;
    import | import-model | -c | -o | --config | --data | --model | --validation-data | --output | --profile | \
        --labels | --scores | --series | --causes | --contributions | --state | --schema | --scaler | \
        --password-file | --bearer-token-file | --ca-file | --cert-file | --key-file)
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
        ;;
    esac
}
complete -o filenames -F _tocsin tocsin
