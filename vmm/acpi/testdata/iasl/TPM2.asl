[0004]                    Signature : "TPM2"
[0004]                 Table Length : 0000004C
[0001]                     Revision : 04
[0001]                     Checksum : 07
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0002]               Platform Class : 0101
[0002]                     Reserved : 0000
[0008]              Control Address : 0706050403020102
[0004]                 Start Method : 08
[0012]            Method Parameters : 01 02 03 04 05 06 07 08 09 0A 0B 0C
[0004]           Minimum Log Length : 03020103
[0008]                  Log Address : 0706050403020104
